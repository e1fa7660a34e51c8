# METADATA
# title: One changes what is one's own
# description: |
#   Only some roles may update or delete what belongs to another.
# custom:
#   id: access.own_todo
#   family: access
#   controls:
#     - nist-800-53-r5:ac-3
#     - nist-800-53-r5:ac-6
#   severity: medium
#   mode: gate
package domains.todo.access.own_todo

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.todo.terms.calls.own

needs := {"action.name", "resource.properties.ownerID", "subject.id"}

satisfied if input.resource.properties.ownerID == _user.email

satisfied if {
	some role in _user.roles
	facts.call in data.domains.todo.terms.parameters.any_owner[role]
}

_user := data.domains.todo.terms.users[input.subject.id]
