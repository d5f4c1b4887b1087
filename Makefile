# Each target is one verb of ./scripts/stack; its --help says more.
#   make test DB=postgres LABELS="cache" STOCK=1
#   make apply DJANGO=/path/to/your/clone
STACK = ./scripts/stack


all: setup
	$(STACK) overview

setup:
	$(STACK) setup

test: setup
	$(STACK) test $(addprefix --db ,$(DB)) $(if $(STOCK),--stock) $(if $(SRC),--src) $(LABELS) $(ARGS)

test-full: setup
	$(STACK) test --full $(addprefix --db ,$(DB)) $(if $(STOCK),--stock) $(ARGS)

apply:
	$(STACK) apply $(if $(DJANGO),--into "$(DJANGO)") $(ARGS)

bench: setup
	$(STACK) bench $(addprefix --db ,$(DB)) $(ARGS)

VERBS = fetch status export diff lint verify prove coverage load race stress fuzz report db-up db-down
.PHONY: all setup test test-full apply bench $(VERBS)
lint verify prove coverage load race stress fuzz report db-up: setup
$(VERBS):
	$(STACK) $@ $(ARGS)
