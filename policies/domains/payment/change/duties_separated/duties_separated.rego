# METADATA
# title: Who wrote a change does not release it
# description: |
#   Writing software and putting it into an environment are the duties of different people.
# custom:
#   id: change.duties_separated
#   family: change
#   controls:
#     - pci-dss-4.0.1:6.5.4
#     - nist-800-53-r5:ac-5
#     - nist-800-53-r5:cm-5
#   severity: high
#   mode: gate
package domains.payment.change.duties_separated

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.change

needs := {"context.change.author", "subject.id"}

satisfied if input.context.change.author != input.subject.id
