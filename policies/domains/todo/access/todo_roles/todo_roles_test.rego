package domains.todo.access.todo_roles_test

import data.assay.todo_test as fixture

_rule := "access.todo_roles"

_verdict(action, changes) := fixture.verdict(_rule, fixture.facts(action, changes))

test_editor_creates if _verdict("can_create_todo", {}) == "allowed"

test_viewer_does_not_create if _verdict("can_create_todo", {"subject.id": fixture.viewer}) == "rule_violated"

test_unknown_user_is_denied if _verdict("can_read_todos", {"subject.id": "nobody"}) == "rule_violated"

test_unknown_action_is_denied if _verdict("can_vanish", {}) == "rule_violated"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts("can_create_todo", {}), 3)
