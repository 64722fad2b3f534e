#!/usr/bin/env bash
# A live abide against its own OpenAPI document, by schemathesis over loopback TCP: no 5xx, and every answer is
# what the document says. What has no end (events, a log that is followed) is left to tests/e2e/api.rs.
#
#   tests/api/schemathesis.sh [ABIDE]     the binary; target/debug/abide, if it is left out
#
# SECONDS_OF_FUZZING (45): how long requests are made up. Where schemathesis is missing it is said aloud; with
# CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/../.."
abide=${1:-${CARGO_TARGET_DIR:-target}/debug/abide}

if ! command -v schemathesis >/dev/null; then
    echo 'SKIPPED: schemathesis is not installed (pip install schemathesis); the API was not tested against its document'
    [ "${CI:-}" != true ]
    exit
fi

world=$(mktemp -d "${TMPDIR:-/tmp}/abide-api.XXXXXX")
keeper=
finish() {
    if [ -n "$keeper" ]; then
        kill "$keeper" 2>/dev/null || true
        wait "$keeper" 2>/dev/null || true
    fi
    rm -rf "$world"
}
trap finish EXIT

mkdir "$world/services.d" "$world/run" "$world/state" "$world/log"
printf 'script = "echo hello; exec sleep 86400"\nreload = { signal = "CONT" }\n' >"$world/services.d/web.toml"
printf 'command = ["/bin/sleep", "86400"]\ninstances = 3\n' >"$world/services.d/web-many.toml"
printf 'command = \n' >"$world/services.d/bad.toml"
token=an-example-of-a-token-for-tests-only-0123456789
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$world/abide.toml" <<TOML
[http]
listen = "127.0.0.1:$port"
[[http.token]]
name = "test"
sha256 = "$(printf %s "$token" | sha256sum | cut -d' ' -f1)"
may = "full"
TOML

"$abide" run --runtime-dir "$world/run" --state-dir "$world/state" --log-dir "$world/log" "$world/services.d" \
    >"$world/stderr" 2>&1 &
keeper=$!
ask() { curl --silent --fail --max-time 30 -H "authorization: Bearer $token" "http://127.0.0.1:$port$1"; }
until "$abide" wait web --for running --timeout 30s --runtime-dir "$world/run" >/dev/null 2>&1 &&
    ask /v1/openapi.json >"$world/whole.json"; do
    kill -0 "$keeper"
    sleep 0.1
done

# What never ends goes, and what waits does not wait long. The names that are made up are also some that there are.
python3 - "$world/whole.json" >"$world/openapi.json" <<'PYTHON'
import json, sys
document = json.load(open(sys.argv[1]))
del document["paths"]["/v1/events"]
for path, methods in document["paths"].items():
    for operation in methods.values():
        kept = []
        for parameter in operation["parameters"]:
            if parameter["name"] == "follow":
                continue
            if parameter["name"] == "timeout":
                parameter["required"] = True
                parameter["schema"] = {"type": "string", "enum": ["0", "1ms", "20ms", "soon"]}
            if parameter["name"] in ("name", "names", "selectors"):
                known = ["web", "web-many", "bad"] + ([] if parameter["name"] == "name" else ["web*", "web-many@1", "@failed"])
                parameter["schema"] = {"anyOf": [{"enum": known}, parameter["schema"]]}
            kept.append(parameter)
        operation["parameters"] = kept
json.dump(document, sys.stdout)
PYTHON

# It leaves a cache where it stands.
cd "$world"
schemathesis run "$world/openapi.json" --url "http://127.0.0.1:$port" --header "Authorization: Bearer $token" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-time "${SECONDS_OF_FUZZING:-45}" --request-timeout 20 \
    --suppress-health-check all --warnings off --no-color

# After all that it lives, and serves.
kill -0 "$keeper"
ask /v1/status >/dev/null
echo 'the API does what its document says'
