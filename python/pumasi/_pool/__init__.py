"""The pool of processes: `pumasi.pool` is its public face.

- `worker`: what runs in a worker.
- `setup`: what a worker is told when it starts, and does around its tasks.
- `deaths`: what is known of a worker that ended, and the errors made of it.
- `threads`, `cpus`: how many threads numeric libraries start in a worker, how many CPUs there are.
- `results`: what `apply_async`, `map_async` and `imap` return.
- `lots`: what the owner keeps of a batch, and what its workers live by.
- `engine`: the owner's side: batches, collecting; `workers`: its half that knows processes.
- `progress`: showing how far a map has come.
- `inputs`: how the input of a map or imap becomes tasks.
"""
