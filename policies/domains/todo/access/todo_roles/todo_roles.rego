# METADATA
# title: A known user does what one of their roles permits
# description: |
#   Users and roles that are not in the tables may do nothing.
# custom:
#   id: access.todo_roles
#   family: access
#   controls:
#     - nist-800-53-r5:ac-3
#     - nist-800-53-r5:ac-3.7
#   severity: medium
#   mode: gate
package domains.todo.access.todo_roles

import data.assay.facts

about := rego.metadata.chain()

in_scope := true

needs := {"action.name", "resource.type", "subject.id"}

satisfied if {
	some role in data.domains.todo.terms.users[input.subject.id].roles
	facts.call in data.domains.todo.terms.roles[role]
}
