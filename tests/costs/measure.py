"""Counts what requests cost in the built filter: reads a plan as JSON, and prints the costs.

The plan is made by tests/tests/costs.rs.
"""

import json
import sys

from host import Vm, load

plan = json.load(sys.stdin)


def headers(listed):
    return [(name.encode(), value.encode()) for name, value in listed]


engine, module = load(plan["wasm"])
allowed = set(plan["allowed"])
costs = {}
for policy in plan["policies"]:
    warm_up = headers(policy["requests"][0]["headers"])
    vm = Vm(engine, module, allowed, policy["text"], plan["token_answer"], warm_up)
    # The first of a kind begins a count.
    for each in policy["requests"] * 2:
        is_forwarded = vm.request(headers(each["headers"]), each["body"].encode())
        if is_forwarded != each["is_forwarded"]:
            raise SystemExit(f"{each['name']}: forwarded: {is_forwarded}; {vm.log}")
        costs[each["name"]] = vm.cost()
        if is_forwarded:
            vm.response(headers(plan["response"]["headers"]), plan["response"]["body"].encode())
            costs["reply"] = vm.cost()
        vm.end()
        costs["end"] = vm.cost()
json.dump(costs, sys.stdout)
