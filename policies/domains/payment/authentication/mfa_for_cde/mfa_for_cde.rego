# METADATA
# title: Reaching the cardholder data environment takes two kinds of factor
# description: |
#   What one knows, has and is are different kinds; two of the same kind count once, and unknown methods not at all.
# custom:
#   id: authentication.mfa_for_cde
#   family: authentication
#   controls:
#     - pci-dss-4.0.1:8.4.1
#     - pci-dss-4.0.1:8.4.2
#     - pci-dss-4.0.1:8.4.3
#     - pci-dss-4.0.1:8.5.1
#     - nist-800-53-r5:ia-2.1
#     - nist-800-53-r5:ia-2.2
#   severity: critical
#   mode: gate
package domains.payment.authentication.mfa_for_cde

about := rego.metadata.chain()

in_scope := object.get(data.domains.payment.terms.parameters.subject_kinds, input.subject.type, "person") == "person"

needs contains "resource.properties.cde"

needs contains "context.authentication.methods" if input.resource.properties.cde

satisfied if input.resource.properties.cde == false

satisfied if count(_kinds) >= 2

_kinds contains kind if {
	some method in input.context.authentication.methods
	kind := data.domains.payment.terms.parameters.factor_kinds[method]
}
