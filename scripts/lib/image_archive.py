"""Writes a folder as an image of one layer: an OCI archive that `docker load` reads too. Run by image.sh.

The same files and arguments give the same bytes: names are sorted, owners are root, times are those of the commit.
"""

import argparse
import hashlib
import io
import json
import os
import platform
import tarfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
OCI = "application/vnd.oci.image"


def entry(name, size, mode, epoch, kind=tarfile.REGTYPE):
    found = tarfile.TarInfo(name)
    found.size, found.mode, found.mtime, found.type = size, mode, epoch, kind
    return found


def layer(root, epoch):
    """Returns the files below a folder as a tar, with the folders on the way to them."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for folder, folders, files in os.walk(root):
            folders.sort()
            name = os.path.relpath(folder, root)
            if name != ".":
                tar.addfile(entry(name, 0, 0o755, epoch, tarfile.DIRTYPE))
            for file in sorted(files):
                path = os.path.join(folder, file)
                mode = 0o755 if os.access(path, os.X_OK) else 0o644
                name = os.path.relpath(path, root)
                with open(path, "rb") as opened:
                    tar.addfile(entry(name, os.path.getsize(path), mode, epoch), opened)
    return content.getvalue()


def settings(arguments, layer_digest):
    labels = {
        "title": "error-budget-monitor",
        "licenses": "Apache-2.0",
        "version": arguments.version,
        "revision": arguments.revision,
        "created": arguments.created,
    }
    return {
        "created": arguments.created,
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "config": {
            "User": "65532:65532",
            "Entrypoint": ["/error-budget-monitor"],
            "Labels": {f"org.opencontainers.image.{name}": value for name, value in labels.items()},
        },
        "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
        "history": [{"created": arguments.created, "created_by": "scripts/image.sh --local"}],
    }


def main():
    parser = argparse.ArgumentParser()
    for name in ("root", "archive", "tag", "version", "revision", "created"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--epoch", type=int, required=True)
    arguments = parser.parse_args()

    blobs = {}

    def blob(kind, content):
        digest = hashlib.sha256(content).hexdigest()
        blobs[f"blobs/sha256/{digest}"] = content
        return {"mediaType": f"{OCI}.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    def blob_path(described):
        return "blobs/" + described["digest"].replace(":", "/")

    def text(thing):
        return json.dumps(thing, sort_keys=True, separators=(",", ":")).encode()

    own_layer = blob("layer.v1.tar", layer(arguments.root, arguments.epoch))
    config = blob("config.v1+json", text(settings(arguments, own_layer["digest"])))
    manifest = {"schemaVersion": 2, "mediaType": f"{OCI}.manifest.v1+json", "config": config, "layers": [own_layer]}
    described = blob("manifest.v1+json", text(manifest))
    described["annotations"] = {"org.opencontainers.image.ref.name": arguments.tag}
    files = {
        "oci-layout": text({"imageLayoutVersion": "1.0.0"}),
        "index.json": text({"schemaVersion": 2, "mediaType": f"{OCI}.index.v1+json", "manifests": [described]}),
        # What `docker load` reads.
        "manifest.json": text(
            [{"Config": blob_path(config), "RepoTags": [arguments.tag], "Layers": [blob_path(own_layer)]}]
        ),
        **blobs,
    }
    with tarfile.open(arguments.archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            tar.addfile(entry(name, len(files[name]), 0o644, arguments.epoch), io.BytesIO(files[name]))
    print(f"{arguments.archive}: {arguments.tag}, {described['digest']}")


if __name__ == "__main__":
    main()
