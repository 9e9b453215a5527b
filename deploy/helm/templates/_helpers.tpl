{{- define "footnote.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels of an object; called with (list . "COMPONENT"). */}}
{{- define "footnote.labels" -}}
{{ include "footnote.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{- define "footnote.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "footnote.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What every pod has: an unprivileged user, no token of the cluster's API, the runtime's system-call filter. */}}
{{- define "footnote.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end }}

{{- define "footnote.unprivileged" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Settings that servers and workers must share. */}}
{{- define "footnote.env" -}}
- name: FOOTNOTE_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.secret }}
      key: {{ .Values.database.key }}
- name: FOOTNOTE_ORIGINALS_URL
  value: {{ .Values.originals.s3.url | default "file:///originals" }}
{{- with .Values.originals.s3.endpoint }}
- name: AWS_ENDPOINT_URL
  value: {{ . }}
{{- end }}
{{- with .Values.originals.s3.region }}
- name: AWS_DEFAULT_REGION
  value: {{ . }}
{{- end }}
- name: FOOTNOTE_DATA_DIR
  value: /data
{{- if .Values.models.existingClaim }}
- name: FOOTNOTE_MODEL_DIR
  value: /models
{{- end }}
{{- $own := dict "FOOTNOTE_LOG_FORMAT" "json" }}
{{- if .Values.traces.endpoint }}
{{- $_ := set $own "FOOTNOTE_TRACES" "otlp" }}
{{- $_ := set $own "OTEL_EXPORTER_OTLP_ENDPOINT" .Values.traces.endpoint }}
{{- end }}
{{- if .Values.ollama.enabled }}
{{- $_ := set $own "FOOTNOTE_GENERATION__BACKEND" "ollama" }}
{{- $_ := set $own "FOOTNOTE_GENERATION__BASE_URL" (printf "http://%s-ollama:11434" (include "footnote.name" .)) }}
{{- $_ := set $own "FOOTNOTE_GENERATION__MODEL" .Values.ollama.model }}
{{- $_ := set $own "FOOTNOTE_GENERATION__SLOTS" .Values.ollama.parallel }}
{{- else }}
{{- $_ := set $own "FOOTNOTE_GENERATION__BACKEND" "extractive" }}
{{- end }}
{{- range $name, $value := merge (dict) .Values.settings $own }}
- name: {{ $name }}
  {{- if and (kindIs "float64" $value) (eq $value (floor $value)) }}
  value: {{ printf "%.0f" $value | quote }}  {{/* 1000000, where toString makes 1e+06 */}}
  {{- else }}
  value: {{ toString $value | quote }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "footnote.envFrom" -}}
{{- with compact (list .Values.settingsSecret .Values.originals.s3.secret) }}
envFrom:
  {{- range . }}
  - secretRef:
      name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{/* The role of the pods that reach the bucket. Its token is not that of the cluster's API, which stays unmounted. */}}
{{- define "footnote.role" -}}
{{- with .Values.originals.s3.serviceAccount }}
serviceAccountName: {{ . }}
{{- end }}
{{- end }}

{{- define "footnote.originalsClaim" -}}
{{ .Values.originals.existingClaim | default (printf "%s-originals" (include "footnote.name" .)) }}
{{- end }}

{{/* Egress to the bucket of the originals, where they are in one. */}}
{{- define "footnote.toOriginals" -}}
{{- if .Values.originals.s3.url }}
- ports:
    - {protocol: TCP, port: {{ .Values.originals.s3.port }}}
  {{- with .Values.originals.s3.peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Egress to the collector of traces, if there is one. */}}
{{- define "footnote.toCollector" -}}
{{- if .Values.traces.endpoint }}
- ports:
    - {protocol: TCP, port: {{ .Values.traces.port }}}
  {{- with .Values.traces.peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{/* Egress to name servers and to the database. */}}
{{- define "footnote.toDatabase" -}}
- ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
  {{- with .Values.networkPolicy.dns }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
- ports:
    - {protocol: TCP, port: {{ .Values.database.port }}}
  {{- with .Values.database.peers }}
  to: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
