# What the tests of the todo rules share.
package assay.todo_test

import data.assay.tables_test

viewer := _id("beth@the-smiths.com")

administrator := _id("rick@the-citadel.com")

# A request of an editor for their own item.
facts(action, changes) := tables_test.changed(
	{
		"subject": {"type": "user", "id": _id("morty@the-citadel.com")},
		"action": {"name": action},
		"resource": {"type": "todo", "id": "todo-1", "properties": {"ownerID": "morty@the-citadel.com"}},
	},
	changes,
)

verdict(rule, request) := tables_test.verdict(rule, request)

needs_are_needed(rule, request, number) if tables_test.needs_are_needed("todo", rule, request, number)

_id(email) := [id | some id, user in data.domains.todo.terms.users; user.email == email][0]
