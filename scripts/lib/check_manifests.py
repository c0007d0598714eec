"""Validates Kubernetes objects strictly against the schemas of several minor versions. Run by check-manifests.sh.

    check_manifests.py "1.31 1.34" FILE...    every object of every file; a misspelt field is an error
    check_manifests.py --rules FILE           prints the groups of the PrometheusRule in a file as a rule file of Prometheus
    check_manifests.py --cron-job FILE        prints namespace and name of the CronJob in a file
    check_manifests.py --runbooks FILE        prints where the alerts of a file link to
    check_manifests.py --same FILE FILE       that two files hold the same objects, whatever the order of what has a name
"""

import difflib
import sys

import kubernetes_validate
import yaml

# Not in the schemas of Kubernetes; promtool reads what matters of it.
WITHOUT_SCHEMA = {"PrometheusRule", "ExternalSecret", "SealedSecret", "Application"}


def objects(path):
    with open(path, encoding="utf-8") as file:
        return [found for found in yaml.safe_load_all(file) if found is not None]


def problems(thing, minor):
    try:
        kubernetes_validate.validate(thing, minor, strict=True)
    except kubernetes_validate.ValidationError as error:
        where = ".".join(str(step) for step in error.path)
        return [f"{where}: {error.message}"]
    return []


def check(minors, paths):
    """Returns the exit code. An object that no schema was found for raises an error."""
    failed = checked = 0
    for path in paths:
        seen = set()
        for thing in objects(path):
            name = (thing["kind"], thing["metadata"]["name"])
            if name in seen:
                print(f"{path}: {name} is there twice", file=sys.stderr)
                failed += 1
            seen.add(name)
            if thing["kind"] in WITHOUT_SCHEMA:
                continue
            for minor in minors:
                for problem in problems(thing, minor):
                    print(f"{path}: {name} in {minor}: {problem}", file=sys.stderr)
                    failed += 1
                checked += 1
    print(f"{checked} times an object was held against a schema: {failed} problems")
    return 1 if failed or not checked else 0


def only(kind, path):
    (found,) = (thing for thing in objects(path) if thing["kind"] == kind)
    return found


def print_rules(path):
    """Prints the groups of the rules in a file."""
    groups = only("PrometheusRule", path)["spec"]["groups"]
    yaml.safe_dump({"groups": groups}, sys.stdout, sort_keys=False, width=1000)
    return 0


def print_cron_job(path):
    """Prints what kube-state-metrics call the CronJob of a file."""
    metadata = only("CronJob", path)["metadata"]
    print(metadata["namespace"], metadata["name"])
    return 0


def print_runbooks(path):
    """Prints the links of the alerts of a file, one a line."""
    for group in only("PrometheusRule", path)["spec"]["groups"]:
        for rule in group["rules"]:
            print(rule["annotations"]["runbook_url"])
    return 0


def in_order(thing):
    """Returns a thing with its lists of named things sorted; their order means nothing to Kubernetes."""
    if isinstance(thing, dict):
        return {name: in_order(value) for name, value in thing.items()}
    if isinstance(thing, list):
        things = [in_order(one) for one in thing]
        if all(isinstance(one, dict) and ("name" in one or "mountPath" in one) for one in things):
            return sorted(things, key=lambda one: (one.get("mountPath", ""), one.get("name", "")))
        return things
    return thing


def by_name(path):
    found = {}
    for thing in objects(path):
        # Helm's own word that the volume outlives the release.
        if thing["metadata"].get("annotations") == {"helm.sh/resource-policy": "keep"}:
            del thing["metadata"]["annotations"]
        found[thing["kind"], thing["metadata"]["name"]] = in_order(thing)
    return found


def same(one, other):
    """Returns the exit code, and names the objects that differ."""
    left, right = by_name(one), by_name(other)
    differing = [name for name in left.keys() | right.keys() if left.get(name) != right.get(name)]
    for name in sorted(differing):
        print(f"{one} and {other} differ in {name}", file=sys.stderr)
        for lines in difflib.unified_diff(*(yaml.safe_dump(found.get(name)).splitlines() for found in (left, right)), lineterm=""):
            print(lines, file=sys.stderr)
    return 1 if differing else 0


PRINTERS = {"--rules": print_rules, "--cron-job": print_cron_job, "--runbooks": print_runbooks}


if __name__ == "__main__":
    if sys.argv[1] == "--same":
        sys.exit(same(sys.argv[2], sys.argv[3]))
    if sys.argv[1] in PRINTERS:
        sys.exit(PRINTERS[sys.argv[1]](sys.argv[2]))
    sys.exit(check(sys.argv[1].split(), sys.argv[2:]))
