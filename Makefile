# Short names for the scripts in ci/; the scripts say what they do, and run the same by hand.
# Arguments go through ARGS: make tour ARGS="--lang ko"

.PHONY: help tour test conformance bench soak miri docs check

help:
	@echo "make tour    build everything and run the guided tour"
	@echo "make test    every test of every language and version"
	@echo "make conformance   CPython's own tests of multiprocessing, on pumasi"
	@echo "make check   the quick look before a commit"
	@echo "make bench   measure pumasi and its rivals in one run"
	@echo "make soak    crash and property tests, for as long as you like: ARGS=3600"
	@echo "make miri    the models under Miri, with a nightly compiler: ARGS=a_list"
	@echo "make docs    the API documentation"

tour:
	@ci/tour.sh $(ARGS)

test:
	@ci/test.sh $(ARGS)

conformance:
	@ci/conformance.sh $(ARGS)

bench:
	@ci/bench.sh $(ARGS)

soak:
	@ci/soak.sh $(ARGS)

miri:
	@ci/miri.sh $(ARGS)

docs:
	@ci/docs.sh $(ARGS)

check:
	@ci/check.sh $(ARGS)
