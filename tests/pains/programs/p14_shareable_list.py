"""What a ShareableList gives back of bytes that end with a NUL, and of a word with long letters."""

import importlib
import sys

if __name__ == "__main__":
    shared_memory = importlib.import_module(f"{sys.argv[1]}.shared_memory")
    shared = shared_memory.ShareableList([b"ab\0", "\N{GREEK SMALL LETTER ALPHA}" * 7])
    try:
        print("bytes:", shared[0])
        try:
            print("letters:", len(shared[1]))
        except UnicodeDecodeError as error:
            print("letters:", type(error).__name__)
    finally:
        shared.shm.close()
        shared.shm.unlink()
