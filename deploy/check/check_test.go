// Package check holds the deployment files against the definitions of what reads them.
package check

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

// TestCompose reads the compose files as docker compose does: against the schema of
// the specification, with all references resolved.
func TestCompose(t *testing.T) {
	for file, profiles := range map[string][]string{"compose.yaml": nil, "compose.cluster.yaml": {"monitoring"}} {
		t.Run(file, func(t *testing.T) {
			options, err := cli.NewProjectOptions([]string{filepath.Join("..", file)}, cli.WithProfiles(profiles), cli.WithResolvedPaths(true))
			require.NoError(t, err)
			project, err := options.LoadProject(t.Context())
			require.NoError(t, err)
			require.NoError(t, project.CheckContainerNameUnicity())
			for _, s := range project.Services {
				mounted(t, s)
			}
		})
	}
}

// made are what an operator makes before the first start.
var made = []string{"deploy/override", "deploy/tls"}

// mounted has every file that is mounted be there.
func mounted(t *testing.T, s types.ServiceConfig) {
	t.Helper()
	for _, v := range s.Volumes {
		if v.Type != types.VolumeTypeBind {
			continue
		}
		if _, err := os.Stat(v.Source); err != nil {
			isMade := false
			for _, m := range made {
				isMade = isMade || strings.HasSuffix(v.Source, m)
			}
			require.True(t, isMade, "%s of %s is not there", v.Source, s.Name)
		}
	}
}

// TestKubernetes builds the manifests as kubectl does, and reads each strictly as its kind.
func TestKubernetes(t *testing.T) {
	kinds := map[string]func() any{
		"Namespace": func() any { return &corev1.Namespace{} }, "ConfigMap": func() any { return &corev1.ConfigMap{} },
		"Secret": func() any { return &corev1.Secret{} }, "Service": func() any { return &corev1.Service{} },
		"StatefulSet": func() any { return &appsv1.StatefulSet{} }, "Deployment": func() any { return &appsv1.Deployment{} },
		"PodDisruptionBudget": func() any { return &policyv1.PodDisruptionBudget{} }, "Ingress": func() any { return &networkingv1.Ingress{} },
	}
	decode := func(t *testing.T, manifest []byte) any {
		t.Helper()
		var head struct{ Kind string }
		require.NoError(t, yaml.Unmarshal(manifest, &head))
		require.Contains(t, kinds, head.Kind)
		object := kinds[head.Kind]()
		require.NoError(t, yaml.UnmarshalStrict(manifest, object), "%s", manifest)
		return object
	}
	for _, folder := range []string{"one", "several"} {
		t.Run(folder, func(t *testing.T) {
			built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("..", "kubernetes", folder))
			require.NoError(t, err)
			var pod *corev1.PodSpec
			var selectors []map[string]string
			var labels map[string]string
			sources := map[string]bool{}
			for _, resource := range built.Resources() {
				manifest, err := resource.AsYAML()
				require.NoError(t, err)
				switch o := decode(t, manifest).(type) {
				case *corev1.ConfigMap:
					sources[o.Name] = true
				case *appsv1.StatefulSet:
					pod, labels = &o.Spec.Template.Spec, o.Spec.Template.Labels
					selectors = append(selectors, o.Spec.Selector.MatchLabels)
				case *appsv1.Deployment:
					pod, labels = &o.Spec.Template.Spec, o.Spec.Template.Labels
					selectors = append(selectors, o.Spec.Selector.MatchLabels, o.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector.MatchLabels)
				case *corev1.Service:
					selectors = append(selectors, o.Spec.Selector)
				case *policyv1.PodDisruptionBudget:
					selectors = append(selectors, o.Spec.Selector.MatchLabels)
				}
			}
			require.NotNil(t, pod)
			require.GreaterOrEqual(t, len(selectors), 2)
			for _, s := range selectors {
				require.NotEmpty(t, s)
				for name, value := range s {
					require.Equal(t, value, labels[name])
				}
			}
			volumes := map[string]bool{"data": true} // a claim of the StatefulSet
			for _, v := range pod.Volumes {
				volumes[v.Name] = true
				if v.ConfigMap != nil {
					require.True(t, sources[v.ConfigMap.Name], "the config map %s of volume %s is not generated", v.ConfigMap.Name, v.Name)
				}
			}
			for _, m := range pod.Containers[0].VolumeMounts {
				require.True(t, volumes[m.Name], m.Name)
			}
		})
	}
	secret, err := os.ReadFile("../kubernetes/several/secret.example.yaml")
	require.NoError(t, err)
	decode(t, secret)
}

// TestSystemd has systemd read the unit, with any program in the place of the hub.
func TestSystemd(t *testing.T) {
	unit, err := os.ReadFile("../systemd/tongqu.service")
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "tongqu.service")
	require.NoError(t, os.WriteFile(file, bytes.ReplaceAll(unit, []byte("/usr/local/bin/tongqu"), []byte("/bin/true")), 0o600))
	out := run(t, "systemd-analyze", "verify", "--man=no", file)
	require.Empty(t, out, "systemd-analyze verify has something to say")
}

// TestNginx has nginx read the proxy's configuration.
func TestNginx(t *testing.T) {
	dir := t.TempDir()
	site, err := os.ReadFile("../nginx/tongqu.conf")
	require.NoError(t, err)
	text := strings.NewReplacer("/etc/nginx/tls", dir, "hub-1:", "127.0.0.1:", "hub-2:", "127.0.0.2:", "hub-3:", "127.0.0.3:").Replace(string(site))
	if old := run(t, "nginx", "-v"); strings.Contains(old, "/1.22.") { // Debian 12's; http2 became a directive of its own in 1.25.1
		text = strings.Replace(strings.Replace(text, "    http2  on;\n", "", 1), "listen 443 ssl;", "listen 443 ssl http2;", 1)
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "site.conf"), []byte(text), 0o600))
	run(t, "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=tongqu.example",
		"-keyout", filepath.Join(dir, "key.pem"), "-out", filepath.Join(dir, "cert.pem"))
	whole := "pid " + dir + "/pid;\nevents {}\nhttp { access_log off; include " + dir + "/site.conf; }\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(whole), 0o600))
	run(t, "nginx", "-t", "-e", "stderr", "-c", filepath.Join(dir, "nginx.conf"))
}

// TestPrometheus has promtool read configuration and rules, and run the rules' tests.
func TestPrometheus(t *testing.T) {
	run(t, "promtool", "check", "config", "../prometheus/prometheus.yml")
	run(t, "promtool", "test", "rules", "../prometheus/tongqu.test.yml")
}

// run runs a program of the system. One that is not installed skips the test, unless
// TONGQU_DEPLOY=required.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil && os.Getenv("TONGQU_DEPLOY") != "required" {
		t.Skip(err)
	}
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = io.Writer(&out), io.Writer(&out)
	require.NoError(t, cmd.Run(), "%s %s\n%s", name, strings.Join(args, " "), &out)
	return out.String()
}
