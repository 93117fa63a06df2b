# Everything a user or a developer runs. `make` alone lists it.
PYTHON ?= python3
BIN := .venv/bin
SECONDS ?=
DIR ?= .penstock
DOCKER_BUILD ?= docker build
INSTALLED := .venv/.installed

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help setup run test explore chart image bench faults soak lint types imports package advisories check format lock pins proto docs clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1\t/' | expand -t 18

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Penstock needs Python 3.11 or newer; this is %s. Name another: make PYTHON=python3.12 …" % sys.version.split()[0])'
	@echo "setting up .venv (one to three minutes, once)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --progress-bar on --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

setup: $(INSTALLED) ## .venv with Penstock and the locked packages, and nothing else
	@echo "ready: source .venv/bin/activate, then penstock --help"

run: $(INSTALLED) ## stack, simulated factory, pipeline and live view; SECONDS=60 ends it by itself
	@$(BIN)/penstock demo --dir $(DIR) $(if $(SECONDS),--seconds $(SECONDS))

test: $(INSTALLED) ## all tests, on real Kafka, registry and protocol servers
	@$(BIN)/python -m pytest -q -n auto --dist loadfile

explore: $(INSTALLED) ## the property tests on cases that differ from run to run
	@$(BIN)/python -m pytest -q -n auto --hypothesis-profile=exploring tests/property

lint: $(INSTALLED) ## check the code's form
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(INSTALLED) ## check the code's types
	@$(BIN)/mypy

imports: $(INSTALLED) ## check who imports whom
	@$(BIN)/lint-imports

package: $(INSTALLED) ## build the wheel, and see what is in it
	@rm -rf dist && $(BIN)/hatchling build -t wheel && $(BIN)/python -m tests.packaging dist/*.whl

chart: $(INSTALLED) ## the Helm chart: lint, tests over the values matrix, schemas of Kubernetes, policies
	@helm/tools.sh
	@$(BIN)/python -m pytest -q -n 0 -rs tests/chart

image: $(INSTALLED) ## build the container image, and run a worker of it on a real Kafka; needs Docker
	@$(DOCKER_BUILD) -t penstock:0.1.0 .
	@PENSTOCK_TEST_IMAGE=penstock:0.1.0 $(BIN)/python -m pytest -q -n 0 -rs tests/cluster

bench: $(INSTALLED) ## streams beside Kafka Streams, Quix Streams and Faust: docs/bench (half an hour)
	@$(BIN)/python -m bench.streams

faults: $(INSTALLED) ## kills, freezes and cuts off all it can, in the full form; figures in docs/faults.json
	@$(BIN)/python tests/faults/run.py

soak: $(INSTALLED) ## an hour of steady load; memory must not grow; SECONDS=600 makes it shorter
	@$(BIN)/python tests/faults/soak.py $(if $(SECONDS),--seconds $(SECONDS))

advisories: $(INSTALLED) ## known vulnerabilities of the locked packages: asks PyPI
	@$(BIN)/pip-audit --strict --require-hashes --disable-pip --requirement requirements.lock

check: test lint types imports package ## tests, form, types, imports and wheel: what the continuous integration runs

format: $(INSTALLED) ## put the code into its form
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

lock: $(INSTALLED) ## renew requirements.lock from requirements.in
	@$(BIN)/uv pip compile requirements.in --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11 -q -o requirements.lock

proto: $(INSTALLED) ## renew sparkplug_b_pb2.py from its .proto
	@$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. penstock/sparkplug/sparkplug_b.proto

docs: $(INSTALLED) ## renew docs/reference from the code
	@$(BIN)/python docs/generate.py
	@$(BIN)/python -m penstock.settings.json_schema docs/reference/plant.schema.json

pins: $(INSTALLED) ## renew the pinned hashes of what the local stack downloads
	@$(BIN)/python -m penstock.local.pin

clean: ## remove what was built and set up; the data in .penstock stay
	rm -rf .venv dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
