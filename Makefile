# Everything is set up from nothing but Python (3.11 or later) and make: the first target makes .venv,
# the second time it is there. PYTHON chooses another interpreter, VENV another place.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Hundreds of processes are started by the tests: none should compile the sources anew.
export PYTHONDONTWRITEBYTECODE =
READY := $(VENV)/.ready
# The browser that the tests of the audit desk drive; empty: they are left out.
BROWSER ?= /usr/bin/chromium
# How many processes run the tests, a file at a time each in the order of their names, in which long files come early
# and short ones last, so that none waits long for another at the end; 0: one, without helpers.
WORKERS ?= 2
SHARED := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# What make test looks at before the tests; empty, where somebody else has.
LINT ?= lint
# Markers of tests that are left out, such as "slow or kills or postgres".
LEFT_OUT ?=

.PHONY: help demo check test shells go lint docs bench scale soak spark java clean

help:
	@echo "make demo    a disputed level: announced, decided, corrected; and why it is another now"
	@echo "make check   lint, types, import contract and the quick tests, on both databases: for every edit"
	@echo "make test    the same with all tests"
	@echo "make docs    the documentation as a site, in build/docs"
	@echo "make bench   the benchmarks (half an hour), with the machine left alone"
	@echo "make scale   EVENTS=2000000 OF=1: a platform of so many events, step by step, and docs/reference/costs.md"
	@echo "make soak    many more kills and random inputs than make test"
	@echo "make spark   the tests of a rebuild on Spark, which make soak runs, too"
	@echo "make clean   remove what was made"

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

demo: $(READY)
	$(BIN)/levelbook demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# What takes long is marked so; what is not and takes longer than it should, is told at the end.
check: lint
	LEVELBOOK_BROWSER= $(BIN)/python -m pytest -m "not slow" $(SHARED)

test: $(READY) $(LINT) shells go $(BROWSER)
	LEVELBOOK_BROWSER=$(BROWSER) $(BIN)/python -m pytest $(if $(LEFT_OUT),-m "not ($(LEFT_OUT))") $(SHARED)

# The shells that complete the command. Where they cannot be installed, their tests are left out.
shells:
	@command -v zsh >/dev/null && command -v fish >/dev/null || { \
	    command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && flock /tmp/levelbook-apt.lock sh -c \
	        'command -v zsh >/dev/null && command -v fish >/dev/null || { apt-get -q update && \
	        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends zsh fish; }' || \
	    echo "There is no zsh or fish: the tests of what they complete are left out."; }

# Go, and its own packages of notes and proofs, which read ours. Where they cannot be installed, that test is left out.
go:
	@command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod ] || { \
	    command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && flock /tmp/levelbook-apt.lock sh -c \
	        'command -v go >/dev/null && [ -d /usr/share/gocode/src/golang.org/x/mod ] || { apt-get -q update && \
	        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
	        golang-go golang-golang-x-mod-dev; }' || \
	    echo "There is no Go with golang.org/x/mod: the test in which it reads our proofs is left out."; }

# Debian's chromium, with a font for Chinese. Two tests side by side install it once.
/usr/bin/chromium:
	@command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] || { \
	    echo "The tests of the audit desk need chromium. Where there is apt and you are root, make installs it; else"; \
	    echo "install it, and name it: make test BROWSER=/path/to/chromium. BROWSER= leaves these tests out."; exit 1; } >&2
	flock /tmp/levelbook-apt.lock sh -c '[ -x $@ ] || { apt-get -q update && \
	    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends chromium fonts-noto-cjk; }'

bench: $(READY)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-only -s

# A platform of so many events, in one ledger or in a set of OF, and the page of costs made of that.
EVENTS ?= 2000000
OF ?= 1
scale: $(READY)
	mkdir -p build
	$(BIN)/python -m tests.benchmarks.at_scale build/scale-$(EVENTS)-$(OF) --events $(EVENTS) --of $(OF) \
	    --report build/scale-$(EVENTS)-$(OF).json
	$(BIN)/python -m docs.costs < build/scale-$(EVENTS)-$(OF).json

# A layer over $(VENV) that has Spark, too: 570 MB that no other test needs.
SPARK := $(VENV)-spark
$(SPARK)/.ready: requirements-spark.txt $(READY)
	rm -rf $(SPARK)
	$(PYTHON) -m venv --without-pip $(SPARK)
	$(BIN)/python -c "import sys; print(*(p for p in sys.path if p.endswith('-packages')), '$(CURDIR)', sep='\n')" \
	    > $$($(SPARK)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/below.pth
	$(BIN)/python -m pip --python $(SPARK)/bin/python install --quiet --disable-pip-version-check \
	    --require-hashes --no-deps --no-build-isolation -r requirements-spark.txt
	touch $@

# What Spark runs on.
java:
	@command -v java >/dev/null || [ -n "$$JAVA_HOME" ] || { \
	    command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] && flock /tmp/levelbook-apt.lock sh -c \
	        'command -v java >/dev/null || { apt-get -q update && \
	        DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends default-jre-headless; }' || { \
	    echo "Spark takes Java 17 or later. Where there is apt and you are root, make installs it; else install it," \
	        "or name it by JAVA_HOME."; exit 1; } >&2; }

spark: $(SPARK)/.ready java
	$(SPARK)/bin/python -m pytest tests/projections/spreading/test_spark.py

soak: $(READY) shells go spark $(BROWSER)
	LEVELBOOK_SOAK=20 LEVELBOOK_BROWSER=$(BROWSER) $(BIN)/python -m pytest

clean:
	rm -rf .venv .venv-* .screenshots levelbook-demo build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
