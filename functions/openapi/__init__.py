"""The description of every route, as OpenAPI has it: data beside the routes, and a test that holds the two together."""
