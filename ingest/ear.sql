-- name: registry
LISTEN blocktwin_registry;

-- name: rules
-- Rules or overrides were changed (blocktwin rule load, blocktwin rule override).
LISTEN blocktwin_rules;
