"""A library which uses multiprocessing, imported by a program."""

import multiprocessing.synchronize
from multiprocessing import Lock


def lock():
    assert multiprocessing.synchronize
    return Lock()
