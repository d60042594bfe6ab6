"""The benchmarks of pumasi beside its rivals, each pair measured in the same run.

``python -m pumasi_bench`` runs them; ``benches/README.md`` says what is measured and how to read
it.
"""
