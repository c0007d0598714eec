#!/usr/bin/env python3
"""Cuts GitHub's OpenAPI description down to the operations that the stand-in has, as JSON Schema.

The description is `generated/api.github.com.json` of the npm package @octokit/openapi (MIT, see LICENSE beside this file):

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    tests/testkit/openapi/trim.py package/generated/api.github.com.json > tests/testkit/openapi/github.json
"""

import json
import sys

REPO = "/repos/{owner}/{repo}"
OPERATIONS = {
    f"{REPO}/git/ref/{{ref}}": ["get"],
    f"{REPO}/git/refs": ["post"],
    f"{REPO}/git/refs/{{ref}}": ["patch", "delete"],
    f"{REPO}/git/commits": ["post"],
    f"{REPO}/git/commits/{{commit_sha}}": ["get"],
    f"{REPO}/git/trees": ["post"],
    f"{REPO}/git/trees/{{tree_sha}}": ["get"],
    f"{REPO}/pulls": ["get", "post"],
    f"{REPO}/pulls/{{pull_number}}": ["get", "patch"],
    f"{REPO}/issues": ["get", "post"],
    f"{REPO}/issues/{{issue_number}}": ["get", "patch"],
    f"{REPO}/issues/{{issue_number}}/labels": ["post"],
    f"{REPO}/issues/{{issue_number}}/comments": ["get", "post"],
    f"{REPO}/rules/branches/{{branch}}": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
}

# Words that say nothing about what is valid.
PROSE = {"description", "example", "examples", "title", "externalDocs", "deprecated", "readOnly", "default"}


def schema(node, is_request=False):
    """Turns a schema of OpenAPI 3.0 into JSON Schema 2020-12: `nullable` becomes a type, prose goes."""
    if isinstance(node, list):
        return [schema(item, is_request) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        turned = {"$ref": node["$ref"].replace("#/components/schemas/", "#/$defs/")}
        return {"anyOf": [turned, {"type": "null"}]} if node.get("nullable") else turned
    turned = {}
    for key, value in node.items():
        if key == "properties":
            turned[key] = {name: schema(inner, is_request) for name, inner in value.items()}
        elif key in ("enum", "required"):
            turned[key] = value
        elif key not in PROSE and key != "nullable" and not key.startswith("x-"):
            turned[key] = schema(value, is_request)
    if is_request and "properties" in turned:
        # GitHub ignores what it does not know: a misspelt field would do nothing, silently.
        turned.setdefault("additionalProperties", False)
    if node.get("nullable"):
        if isinstance(turned.get("type"), str):
            turned["type"] = [turned["type"], "null"]
            if "enum" in turned and None not in turned["enum"]:
                turned["enum"] = turned["enum"] + [None]
        elif turned:
            turned = {"anyOf": [turned, {"type": "null"}]}
    return turned


def names_in(node):
    if isinstance(node, list):
        for item in node:
            yield from names_in(item)
    elif isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rsplit("/", 1)[1]
        for value in node.values():
            yield from names_in(value)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        api = json.load(file)

    def resolved(node):
        while "$ref" in node:
            *_, kind, name = node["$ref"].split("/")
            node = api["components"][kind][name]
        return node

    def json_schema(holder, is_request=False):
        content = holder.get("content", {}).get("application/json", {})
        return schema(content["schema"], is_request) if "schema" in content else None

    operations = []
    for path, methods in OPERATIONS.items():
        for method in methods:
            operation = api["paths"][path][method]
            body = operation.get("requestBody")
            operations.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "query": [
                        parameter["name"]
                        for parameter in map(resolved, operation.get("parameters", []))
                        if parameter["in"] == "query"
                    ],
                    "request": json_schema(resolved(body), is_request=True) if body else None,
                    "responses": {
                        status: json_schema(resolved(response))
                        for status, response in operation["responses"].items()
                    },
                }
            )
    definitions = {}
    waiting = {"basic-error", *names_in(operations)}
    while waiting:
        name = waiting.pop()
        definitions[name] = schema(api["components"]["schemas"][name])
        waiting |= set(names_in(definitions[name])) - definitions.keys()
    trimmed = {
        "source": f"@octokit/openapi {api['info']['version']}, api.github.com, MIT License, Copyright (c) 2020 Octokit contributors",
        "operations": operations,
        "$defs": dict(sorted(definitions.items())),
    }
    json.dump(trimmed, sys.stdout, separators=(",", ":"), ensure_ascii=False)
    print()


main()
