# BareFlow: the two commands are `make run SMP=4` and `make test`. The logic is in tools/xtask.

# Cores of the emulated machine.
SMP ?= 4
# How QEMU executes: auto (KVM if a probe boot proves it, else TCG), tcg, kvm.
ACCEL ?= auto
# Bitcode files to boot instead of the demo programs: MODULES="a.bc b.llbc".
MODULES ?=
# More words for the kernel's command line.
APPEND ?=

XTASK := cargo run --quiet --package xtask --
# Builds without clang, so it can install it.
SETUP := cargo run --quiet --package xtask --no-default-features -- setup
# Programs of each generator that `make conformance` judges, the first one's number, and more of its options.
COUNT ?= 1000
SEED ?= 1
OPTIONS ?=
# Seconds that `make fuzz` takes.
FUZZ_SECONDS ?= 1800
CONFORMANCE := cargo run --quiet --release --package conformance --
# Who may install packages.
SUDO := $(shell [ "$$(id -u)" = 0 ] || command -v sudo)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run test programs stress bench conformance fuzz image clean

help: ## say what can be made
	@echo "make TARGET [SMP=4] [ACCEL=auto|tcg|kvm] [MODULES=\"FILE...\"] [APPEND=\"WORDS\"]"
	@sed -n 's/^\([a-z]*\):.*## /  \1\t/p' $(MAKEFILE_LIST)

setup: ## install the Debian packages that are missing
	@command -v cc >/dev/null || { $(SUDO) apt-get update && $(SUDO) apt-get install --yes gcc libc6-dev; }
	@$(SETUP)

run: setup ## build, make the disk image, boot it in QEMU
	@$(XTASK) run --smp $(SMP) --accel $(ACCEL) --modules "$(MODULES)" --append "$(APPEND)"

test: setup ## run every test; the last line is the sum
	@$(XTASK) test

programs: setup ## real programs at every tier, and in the kernel, against native ones (OPTIONS="--program lua --tier o1")
	@$(XTASK) programs $(OPTIONS)

stress: setup ## call functions while all of them are recompiled, in QEMU and on the host
	@$(XTASK) stress --smp $(SMP) --accel $(ACCEL)

bench: setup ## measure the engine's code and compile times next to clang's, on the host (about ten minutes)
	@cargo run --quiet --release --package bench

conformance: setup ## compare generated programs at every tier with native ones (COUNT=1000 SEED=1 OPTIONS=)
	@$(SETUP) --conformance
	@$(CONFORMANCE) run --count $(COUNT) --seed $(SEED) $(OPTIONS)

fuzz: setup ## fuzz the load path of module files, guided by coverage (FUZZ_SECONDS=1800)
	@$(SETUP) --conformance
	@$(CONFORMANCE) fuzz --seconds $(FUZZ_SECONDS)

image: setup ## make the disk image only
	@$(XTASK) image --modules "$(MODULES)"

clean: ## remove what was built
	@cargo clean
