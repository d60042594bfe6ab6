"""The programs of ``pumasi tour``, each short enough to read, and what runs them.

``programs/`` holds one program per idea.  They are ordinary programs for ``multiprocessing``;
``run.py`` runs one of them on ``multiprocessing`` or, with nothing but the import changed, on
pumasi.  The command line ``pumasi tour`` runs them all on both and compares.
"""
