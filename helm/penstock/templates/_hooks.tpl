{{/* A hook's Job: (dict "root" $ "name" NAME "when" HOOKS "weight" W "first" ARGS… "main" ARGS "own" SETTINGS "mark" MARK). */}}
{{- define "penstock.hook" -}}
{{- $this := merge (dict "role" "tool" "early" true) . -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "penstock.fullname" .root }}-{{ .name }}
  labels: {{- include "penstock.labels" .root | nindent 4 }}
  annotations:
    helm.sh/hook: {{ .when }}
    helm.sh/hook-weight: {{ .weight | quote }}
    # A failed one stays, to be read; the next one takes its place.
    helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
spec:
  backoffLimit: 1
  activeDeadlineSeconds: 240
  template:
    metadata: {{- include "penstock.podMetadata" $this | nindent 6 }}
    spec:
      {{- include "penstock.podSpec" $this | nindent 6 }}
      restartPolicy: Never
      initContainers:
        {{- include "penstock.validate" $this | nindent 8 }}
        {{- range $name, $args := .first }}
        - name: {{ $name }}
          args: {{ toJson $args }}
          {{- include "penstock.container" $this | nindent 10 }}
          resources: {{- toYaml $.root.Values.defaults.connectors.resources | nindent 12 }}
        {{- end }}
      containers:
        - name: {{ .name }}
          args: {{ toJson .main }}
          {{- include "penstock.container" $this | nindent 10 }}
          resources: {{- toYaml .root.Values.defaults.connectors.resources | nindent 12 }}
      volumes:
        {{- include "penstock.volumes" $this | nindent 8 }}
{{- end }}
