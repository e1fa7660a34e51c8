# SPDX-License-Identifier: Apache-2.0
# demo and test install what they need by themselves; everything lands in .venv and .tools.
PYTHON ?= python3
DEMO_OUT ?= demo-out
export PATH := $(CURDIR)/.tools/bin:$(PATH)

.PHONY: help demo test lint accel backends bench bench-signing clean
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: .venv/.runtime .tools/bin/opa ## payment calls in, a verified evidence pack out (DEMO_OUT=DIR)
	@.venv/bin/assay demo --out "$(DEMO_OUT)"

test: .venv/.dev .tools/bin/opa lint backends ## lint, then every test with the coverage floor
	@.venv/bin/python tests/run.py

lint: .venv/.dev .tools/bin/opa .tools/bin/regal ## ruff, mypy, import rules, opa fmt and check, regal
	@.venv/bin/python tests/lint.py

accel: .venv/.runtime ## build and install the accelerator: ML-DSA-87 several times as fast (needs Rust)
	@sh tools/accel.sh

backends: .venv/.dev
	@sh tools/backends.sh

bench: .venv/.dev .tools/bin/opa ## compare with OPA alone and a bare route, in one run; build and verify packs
	@.venv/bin/python bench/decision.py
	@.venv/bin/python bench/pack.py

bench-signing: .venv/.dev ## compare what can sign here, in one run
	@.venv/bin/python bench/signing.py

clean: ## forget everything that was installed or built
	rm -rf .venv .tools demo-out

.venv/bin/python:
	@$(PYTHON) tools/check_python.py
	@$(PYTHON) -m venv .venv

.venv/.runtime: requirements/runtime.txt pyproject.toml | .venv/bin/python
	@sh tools/install.sh requirements/runtime.txt
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml | .venv/bin/python
	@sh tools/install.sh requirements/dev.txt
	@touch $@ .venv/.runtime

.tools/bin/%: tools/%/go.mod
	@sh tools/program.sh $*
	@touch -h $@
