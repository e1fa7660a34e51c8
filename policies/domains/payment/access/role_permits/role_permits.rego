# METADATA
# title: A role may do what its job needs and no more
# description: |
#   The table of roles and calls is closed: a role or a call that is not in it is refused.
# custom:
#   id: access.role_permits
#   family: access
#   controls:
#     - pci-dss-4.0.1:7.2.2
#     - pci-dss-4.0.1:7.2.5
#     - pci-dss-4.0.1:7.3.2
#     - nist-800-53-r5:ac-3
#     - nist-800-53-r5:ac-3.7
#     - nist-800-53-r5:ac-6
#   severity: high
#   mode: gate
package domains.payment.access.role_permits

import data.assay.facts

about := rego.metadata.chain()

in_scope := true

needs := {"action.name", "resource.type", "subject.properties.role"}

satisfied if facts.call in data.domains.payment.terms.roles[input.subject.properties.role]
