# METADATA
# title: Only an active account acts
# description: |
#   An account of someone who left, or that was suspended, is cut off at once.
# custom:
#   id: authentication.account_active
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.2.5
#     - nist-800-53-r5:ac-2.3
#     - nist-800-53-r5:ac-3.8
#     - nist-800-53-r5:ps-4
#   severity: critical
#   mode: gate
package domains.payment.authentication.account_active

about := rego.metadata.chain()

in_scope := true

needs := {"subject.properties.account.status"}

satisfied if input.subject.properties.account.status in data.domains.payment.terms.parameters.account_statuses_active
