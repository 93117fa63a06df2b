{{/*
The parts of a pod that all roles share. They take
(dict "root" $ "role" ROLE "name" NAME "own" SETTINGS "mark" MARK); of jobs and tests the role is "tool".
What runs before the release's objects are there says "early" true.
*/}}

{{/* MARK: with another one pods start anew. Files of manifests make it once, since the plant is parsed for it. */}}
{{- define "penstock.mark" -}}
{{- printf "%s%s" (include "penstock.configuration" .) (toYaml .Values.files) | sha256sum | trunc 16 -}}
{{- end }}

{{- define "penstock.podLabels" -}}
{{ include "penstock.labels" .root }}
app.kubernetes.io/component: {{ .role }}
penstock.io/name: {{ .name | quote }}
{{- with .root.Values.podLabels }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end }}

{{- define "penstock.podMetadata" -}}
labels: {{- include "penstock.podLabels" . | nindent 2 }}
annotations:
  penstock.io/configuration: {{ .mark }}
  {{- with .root.Values.podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{- define "penstock.podSpec" -}}
{{- $values := .root.Values -}}
serviceAccountName: {{ default false .early | ternary "default" (include "penstock.fullname" .root) }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext: {{- include "penstock.podSecurityContext" . | nindent 2 }}
terminationGracePeriodSeconds: {{ int $values.terminationGracePeriodSeconds }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with (.own).nodeSelector | default $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (.own).tolerations | default $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with (.own).affinity | default $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- if ne .role "tool" }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: {{ $values.topologyKey }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "penstock.selector" . | nindent 8 }}
{{- end }}
{{- end }}

{{/* The first container: says in words what is wrong with the configuration, before all else. */}}
{{- define "penstock.validate" -}}
- name: validate
  args: [validate, /etc/penstock/plant.yaml, --component, {{ get (dict "tool" "tools" "console" "console") .role | default (printf "%s/%s" .role .name) | quote }}]
  {{- include "penstock.container" . | nindent 2 }}
  resources:
    requests: {cpu: 50m, memory: 160Mi, ephemeral-storage: 64Mi}
    limits: {memory: 512Mi, ephemeral-storage: 256Mi}
{{- end }}

{{/* What every container has but its name, arguments, probes and resources. */}}
{{- define "penstock.container" -}}
image: {{ include "penstock.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
terminationMessagePolicy: FallbackToLogsOnError
securityContext: {{- include "penstock.securityContext" . | nindent 2 }}
env: {{- include "penstock.env" . | nindent 2 }}
volumeMounts: {{- include "penstock.mounts" . | nindent 2 }}
{{- end }}

{{- define "penstock.env" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $registry := .root.Values.registry -}}
{{- $secret := (.own).kafkaSecret | default $kafka.existingSecret -}}
# What `kubectl describe` shows of a container that ended.
- {name: PENSTOCK_LAST_WORD, value: /dev/termination-log}
- {name: HOME, value: /tmp}
- {name: MPLCONFIGDIR, value: /tmp}
{{- if $kafka.existingSecret }}
{{- if .root.Values.topics.strimzi.users }}
# Strimzi's Secrets have the password alone: the user is called as its Secret.
- {name: KAFKA_USER, value: {{ $secret | quote }}}
{{- else }}
- name: KAFKA_USER
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ $kafka.userKey }}}}
{{- end }}
- name: KAFKA_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $secret | quote }}, key: {{ $kafka.passwordKey }}}}
{{- end }}
{{- if $registry.existingSecret }}
- name: REGISTRY_USER
  valueFrom: {secretKeyRef: {name: {{ $registry.existingSecret | quote }}, key: {{ $registry.userKey }}}}
- name: REGISTRY_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ $registry.existingSecret | quote }}, key: {{ $registry.passwordKey }}}}
{{- end }}
{{- $name := has .role (list "connector" "sink") | ternary .name "" -}}
{{- range .root.Values.secrets }}
{{- if has $name .for }}
- name: {{ .env }}
  valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}}
{{- end }}
{{- end }}
{{- with .root.Values.extraEnv }}{{ toYaml . | nindent 0 }}{{ end }}
{{- end }}

{{- define "penstock.mounts" -}}
- {name: configuration, mountPath: /etc/penstock, readOnly: true}
- {name: tmp, mountPath: /tmp}
- {name: run, mountPath: /run/penstock}
{{- if include "penstock.tls" . }}
- {name: tls, mountPath: /etc/penstock-tls, readOnly: true}
{{- end }}
{{- with (.own).persistence }}
- {name: data, mountPath: {{ .mountPath | quote }}}
{{- end }}
{{- end }}

{{/* The certificates that a pod has, as sources of a projected volume. */}}
{{- define "penstock.tls" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $registry := .root.Values.registry -}}
{{- with $kafka.ca }}{{ if .existingSecret }}
- secret: {name: {{ .existingSecret | quote }}, items: [{key: {{ .key | quote }}, path: kafka-ca/ca.crt}]}
{{- end }}{{ end }}
{{- with $kafka.client }}{{ if .existingSecret }}
- secret:
    name: {{ ($.own).kafkaSecret | default .existingSecret | quote }}
    items: [{key: {{ .certificateKey | quote }}, path: kafka-client/tls.crt}, {key: {{ .keyKey | quote }}, path: kafka-client/tls.key}]
{{- end }}{{ end }}
{{- with $registry.ca }}{{ if .existingSecret }}
- secret: {name: {{ .existingSecret | quote }}, items: [{key: {{ .key | quote }}, path: registry-ca/ca.crt}]}
{{- end }}{{ end }}
{{- end }}

{{- define "penstock.volumes" -}}
{{- $map := printf "%s-%s" (include "penstock.fullname" .root) (default false .early | ternary "hook" "configuration") -}}
- name: configuration
  projected:
    defaultMode: 0440
    sources:
      - configMap:
          name: {{ $map }}
          items:
            - {key: plant.yaml, path: plant.yaml}
            {{- range $path, $_ := .root.Values.files }}
            - {key: {{ $path | replace "/" "--" | quote }}, path: {{ $path | quote }}}
            {{- end }}
      {{- range $more := .root.Values.filesFrom }}
      - configMap:
          name: {{ $more.configMap | quote }}
          items:
            {{- range $more.keys }}
            - {key: {{ . | quote }}, path: {{ printf "%s/%s" (trimSuffix "/" $more.folder) . | quote }}}
            {{- end }}
      {{- end }}
      {{- $name := has .role (list "connector" "sink") | ternary .name "" }}
      {{- range $more := .root.Values.secretFiles }}
      {{- if has $name $more.for }}
      - secret:
          name: {{ $more.existingSecret | quote }}
          items:
            {{- range $more.keys }}
            - {key: {{ . | quote }}, path: {{ printf "%s/%s" (trimSuffix "/" $more.folder) . | quote }}}
            {{- end }}
      {{- end }}
      {{- end }}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
- name: run
  emptyDir: {sizeLimit: 64Mi}
{{- with include "penstock.tls" . }}
- name: tls
  projected:
    defaultMode: 0440
    sources: {{- . | nindent 6 }}
{{- end }}
{{- with (.own).persistence }}
- name: data
  persistentVolumeClaim: {claimName: {{ .existingClaim | default (include "penstock.object" $) | quote }}}
{{- end }}
{{- end }}

{{- define "penstock.probes" -}}
{{- $probes := .root.Values.probes -}}
startupProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ div (int $probes.startupSeconds) 2 }}
livenessProbe:
  httpGet: {path: /healthz, port: health}
  periodSeconds: {{ int $probes.livenessPeriodSeconds }}
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: health}
  periodSeconds: {{ int $probes.readinessPeriodSeconds }}
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{/* A component's pod: what Deployments and StatefulSets have as their template. */}}
{{- define "penstock.template" -}}
metadata: {{- include "penstock.podMetadata" . | nindent 2 }}
spec:
  {{- include "penstock.podSpec" . | nindent 2 }}
  initContainers:
    {{- include "penstock.validate" . | nindent 4 }}
  containers:
    - name: {{ .role }}
      args: [work, {{ .role }}, {{ .name | quote }}, --config, /etc/penstock/plant.yaml, --run-dir, /run/penstock, --host, {{ .root.Values.listen | quote }}, --port, "9100"]
      {{- include "penstock.container" . | nindent 6 }}
      ports:
        - {name: health, containerPort: 9100}
      {{- include "penstock.probes" . | nindent 6 }}
      resources: {{- toYaml .own.resources | nindent 8 }}
  volumes: {{- include "penstock.volumes" . | nindent 4 }}
{{- end }}
