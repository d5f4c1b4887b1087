# Each target is one verb of ./scripts/stack; its --help says more.
#   make test DB=postgres LABELS="cache" STOCK=1
#   make apply DJANGO=/path/to/your/clone
#   make apply ARGS="--only cache-key-check"
STACK = ./scripts/stack

# Applies first, with Python and git alone, and then makes .venv.
all:
	$(STACK) overview

setup:
	$(STACK) setup

lab:
	$(STACK) setup --lab

test: lab
	$(STACK) test $(addprefix --db ,$(DB)) $(if $(STOCK),--stock) $(if $(SRC),--src) $(LABELS) $(ARGS)

test-full: lab
	$(STACK) test --full $(addprefix --db ,$(DB)) $(if $(STOCK),--stock) $(ARGS)

apply:
	$(STACK) apply $(if $(DJANGO),--into "$(DJANGO)") $(ARGS)

bench: lab
	$(STACK) bench $(addprefix --db ,$(DB)) $(ARGS)

VERBS = fetch status export diff lint verify rebase prove coverage load race stress fuzz oracle report wheel db-up db-down
.PHONY: all setup lab test test-full apply bench $(VERBS)
lint verify rebase prove db-up: setup
coverage load race stress fuzz oracle report: lab
$(VERBS):
	$(STACK) $@ $(ARGS)

.DEFAULT:
	@echo "make: there is no target $@" >&2
	@echo "  next: make, make test, or ./scripts/stack --help" >&2
	@exit 2
