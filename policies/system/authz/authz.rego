# METADATA
# title: Who may ask OPA
# description: |
#   OPA's own door (system.authz). A child of the service answers only to the token it was started with, and to nothing
#   but questions; an OPA that was started without one is guarded by whoever started it.
# schemas:
#   - input: {type: object}
package system.authz

# METADATA
# scope: document
# description: True for a question that carries the token.
default allow := false

allow if {
	_token != ""
	input.identity == _token
	input.method == "POST"
	input.path == ["v1", "data", "assay", "decision"]
}

_token := object.get(opa.runtime().env, "ASSAY_OPA_TOKEN", "")
