# METADATA
# title: The certificate of a connection is valid now
# description: |
#   A certificate that has run out or was revoked protects nothing.
# custom:
#   id: transport.certificate_valid
#   family: transport
#   controls:
#     - pci-dss-4.0.1:4.2.1
#     - nist-800-53-r5:sc-17
#     - nist-800-53-r5:sc-23
#   severity: high
#   mode: gate
package domains.payment.transport.certificate_valid

about := rego.metadata.chain()

in_scope := true

needs := {"context.tls.certificate_not_after_unix", "context.tls.certificate_revoked", "time_unix"}

satisfied if {
	input.context.tls.certificate_revoked == false
	input.time_unix <= input.context.tls.certificate_not_after_unix
}
