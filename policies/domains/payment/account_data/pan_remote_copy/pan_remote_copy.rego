# METADATA
# title: Account data is not copied out over remote access
# description: |
#   Exports, copies and prints of account data are refused while the session is a remote one.
# custom:
#   id: account_data.pan_remote_copy
#   family: account_data
#   controls:
#     - pci-dss-4.0.1:3.4.2
#     - nist-800-53-r5:ac-4
#     - nist-800-53-r5:ac-17
#   severity: high
#   mode: gate
package domains.payment.account_data.pan_remote_copy

import data.assay.facts

about := rego.metadata.chain()

in_scope := facts.call in data.domains.payment.terms.calls.account_data_copy

needs := {"context.session.remote"}

satisfied if input.context.session.remote == false
