# METADATA
# title: Calls travel under strong cryptography
# description: |
#   The connection that brought the call used a protocol version and a cipher suite that are on the lists.
# custom:
#   id: transport.tls_strength
#   family: transport
#   controls:
#     - pci-dss-4.0.1:4.2.1
#     - nist-800-53-r5:sc-8.1
#     - nist-800-53-r5:sc-13
#   severity: high
#   mode: gate
package domains.payment.transport.tls_strength

about := rego.metadata.chain()

in_scope := true

needs := {"context.tls.cipher", "context.tls.version"}

satisfied if {
	input.context.tls.version in data.domains.payment.terms.parameters.tls.versions
	input.context.tls.cipher in data.domains.payment.terms.parameters.tls.ciphers
}
