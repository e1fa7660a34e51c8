package domains.todo.access.own_todo_test

import data.assay.todo_test as fixture

_rule := "access.own_todo"

_verdict(action, changes) := fixture.verdict(_rule, fixture.facts(action, changes))

test_own_item_is_allowed if _verdict("can_update_todo", {}) == "allowed"

test_item_of_another_is_denied if {
	_verdict("can_update_todo", {"resource.properties.ownerID": "jerry@the-smiths.com"}) == "rule_violated"
}

test_administrator_deletes_the_item_of_another if {
	changes := {"subject.id": fixture.administrator, "resource.properties.ownerID": "jerry@the-smiths.com"}
	_verdict("can_delete_todo", changes) == "allowed"
}

test_unknown_user_is_denied if _verdict("can_update_todo", {"subject.id": "nobody"}) == "rule_violated"

test_creating_is_out_of_scope if _verdict("can_create_todo", {}) == "out_of_scope"

test_every_fact_is_needed if fixture.needs_are_needed(_rule, fixture.facts("can_update_todo", {}), 3)
