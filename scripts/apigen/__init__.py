"""scripts/apigen - from api/schema/*.api to C, introspection data and reference pages."""
