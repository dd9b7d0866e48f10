.DEFAULT_GOAL := help
.PHONY: help install test test-slow lint types walls check docs demo ci

help: ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-10s %s\n", $$1, $$2}'

install: ## Install in the current environment with everything the tests need
	pip install -e ".[offline,test]"

test: ## Run the tests that take seconds
	pytest

test-slow: ## Run the tests that take longer
	pytest -m slow

lint: ## Check and format with ruff
	ruff check --fix . && ruff format .

types: ## Check types with mypy --strict
	mypy

walls: ## Check which package may import which
	lint-imports

check: lint types walls test ## All of the above but the slow tests

docs: ## Build the documentation site into site/
	NO_MKDOCS_2_WARNING=1 mkdocs build

demo: ## Run the demo into demo/
	newsfolio demo

ci: ## What continuous integration runs
	bash .ci/run
