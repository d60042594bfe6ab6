"""The pool of processes: `pumasi.pool` is its public face.

- `worker`: what runs in a worker.
- `setup`: what a worker is told when it starts, and does around its tasks.
- `deaths`: what is known of a worker that ended, and the errors made of it.
- `results`: what `apply_async`, `map_async` and `imap` return.
- `lots`: what the owner keeps of a batch, and what its workers live by.
- `engine`: the owner's side: batches, workers, collecting.
- `inputs`: how the input of a map or imap becomes tasks.
"""
