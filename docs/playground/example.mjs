// What a first visitor finds: a policy, an older one, and a request that is denied.

const POLICY = `apiVersion: keyhole/v1
kind: Policy
clients:
- name: sql-prod-01
  keys:
  - sha256: "9b74c9897bac770ffc029102a200c5de9b74c9897bac770ffc029102a200c5de"
  serviceAccount: {namespace: shop, name: sql-prod}
  roles: [pod-operator, job-runner]
- name: sql-report
  keys:
  - sha256: "1f40fc92da241694750979ee6cf582f2d5d7d28e18335de05abc54d0560e0f53"
    notAfter: 2027-11-01T00:00:00Z
  serviceAccount: {namespace: shop, name: sql-report}
  roles: [pod-reader]
roles:
- name: pod-reader
  rules:
  - {namespaces: [shop], apiGroups: [""], resources: [pods, pods/log], verbs: [get, list]}
- name: pod-operator
  rules:
  - {namespaces: [shop], apiGroups: [""], resources: [pods], verbs: [get, list, create]}
  - {clusterScope: true, apiGroups: [""], resources: [nodes], verbs: [list]}
- name: job-runner
  rules:
  - namespaces: [shop]
    apiGroups: [batch]
    resources: [jobs]
    verbs: [create]
    constraints: {images: ["registry.example.com/team/"], forbid: [privileged]}
`;

export const EXAMPLE = {
  policy: POLICY,
  old: POLICY.replace("verbs: [get, list, create]}", "verbs: [get, list, delete]}"),
  client: "sql-prod-01",
  method: "DELETE",
  target: "/api/v1/namespaces/shop/pods/web-0",
};
