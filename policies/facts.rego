# METADATA
# title: Facts
# description: |
#   Reads the facts of the request. A fact is named by its dotted path in the input, and its domain's data says of which
#   kind it must be. A fact that is absent, null or of another kind is missing; there is no third state.
package assay.facts

# METADATA
# description: The call as one word, resource type and action name, for example `charge.capture`.
call := concat(".", [input.resource.type, input.action.name])

# METADATA
# description: Says whether the fact at `path` is there and of its `kind`; a kind that is unknown fits nothing.
has(path, kind) if _is(kind, object.get(input, split(path, "."), null))

# A string that says something.
_is("text", value) if {
	is_string(value)
	trim_space(value) != ""
}

_is("flag", value) if is_boolean(value)

# A whole number, zero or more.
_is("count", value) if {
	is_number(value)
	value >= 0
	floor(value) == value
}

# Whole seconds since 1970-01-01 UTC.
_is("time", value) if {
	is_number(value)
	value > 0
	floor(value) == value
}

# Strings that each say something; the list may be empty.
_is("names", value) if {
	is_array(value)
	every name in value {
		is_string(name)
		trim_space(name) != ""
	}
}

# Objects; the list may be empty.
_is("list", value) if {
	is_array(value)
	every item in value {
		is_object(item)
	}
}
