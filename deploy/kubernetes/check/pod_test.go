package check

import (
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
)

// As the level "restricted" of Kubernetes' Pod Security Standards asks for, and a root that is read only.
func TestPodsHaveNoPrivileges(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		spec := i.pod(t).Spec
		pod := spec.SecurityContext
		if pod == nil || pod.RunAsNonRoot == nil || !*pod.RunAsNonRoot || pod.RunAsUser == nil || *pod.RunAsUser == 0 {
			t.Error("the pod may run as root")
		}
		if pod.SeccompProfile == nil || pod.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Error("the pod has no seccomp profile")
		}
		if spec.HostNetwork || spec.HostPID || spec.HostIPC || spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken {
			t.Error("the pod shares something with its machine, or has a token for Kubernetes' API")
		}
		for _, c := range spec.Containers {
			withoutPrivileges(t, &c)
		}
		if token := the[*corev1.ServiceAccount](t, i).AutomountServiceAccountToken; token == nil || *token {
			t.Error("the service account hands out tokens")
		}
	})
}

func withoutPrivileges(t *testing.T, c *corev1.Container) {
	t.Helper()
	s := c.SecurityContext
	switch {
	case s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
		t.Errorf("%s can write to its root", c.Name)
	case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation:
		t.Errorf("%s may gain privileges", c.Name)
	case s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0:
		t.Errorf("%s has capabilities", c.Name)
	case s.RunAsUser != nil || s.RunAsNonRoot != nil || s.Privileged != nil:
		t.Errorf("%s has other thoughts than its pod on who it runs as", c.Name)
	}
	if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
		t.Errorf("%s does not say what it needs", c.Name)
	}
}

// A pod that is told to end gets the time that doorward takes for it, and the pods of one rollout come before the others go.
func TestPodsEndInTheirOwnTime(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		known := knownSettings(t)
		needs := 5 * time.Second // to tidy up
		for _, setting := range []string{"DOORWARD_SHUTDOWN_DELAY", "DOORWARD_SHUTDOWN_TIMEOUT"} {
			if _, set := i.settings(t)[setting]; set {
				t.Errorf("%s is not its default; compare it with the grace period", setting)
			}
			d, err := time.ParseDuration(known[setting].fallback)
			if err != nil {
				t.Fatal(err)
			}
			needs += d
		}
		if grace := time.Duration(*i.pod(t).Spec.TerminationGracePeriodSeconds) * time.Second; grace < needs {
			t.Errorf("pods have %v to end, and doorward may take %v", grace, needs)
		}
		deployment := the[*appsv1.Deployment](t, i)
		if update := deployment.Spec.Strategy.RollingUpdate; *deployment.Spec.Replicas < 2 || update.MaxUnavailable.IntValue() != 0 || update.MaxSurge.IntValue() < 1 {
			t.Error("a rollout leaves too few pods")
		}
		if budget := the[*policyv1.PodDisruptionBudget](t, i); budget.Spec.MaxUnavailable.IntValue() >= int(*deployment.Spec.Replicas) {
			t.Error("the disruption budget protects no pod")
		}
	})
}
