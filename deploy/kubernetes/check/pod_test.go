package check

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// As Kubernetes' own admission sees it, in a namespace that is labelled pod-security.kubernetes.io/enforce: restricted.
func TestPodsAreAdmittedWhereTheyAreRestricted(t *testing.T) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, i *installation) {
		pod := i.pod(t)
		results := evaluator.EvaluatePod(api.LevelVersion{Level: api.LevelRestricted, Version: api.LatestVersion()}, &pod.ObjectMeta, &pod.Spec)
		if verdict := policy.AggregateCheckResults(results); !verdict.Allowed || len(results) == 0 {
			t.Errorf("%s", verdict.ForbiddenDetail())
		}
	})
}

// What admission does not ask for.
func TestPodsHaveNoMoreThanTheyNeed(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		spec := i.pod(t).Spec
		if token := spec.AutomountServiceAccountToken; token == nil || *token {
			t.Error("the pod has a token for Kubernetes' API")
		}
		if token := the[*corev1.ServiceAccount](t, i).AutomountServiceAccountToken; token == nil || *token {
			t.Error("the service account hands out tokens")
		}
		for _, c := range spec.Containers {
			if readOnly := c.SecurityContext.ReadOnlyRootFilesystem; readOnly == nil || !*readOnly {
				t.Errorf("%s can write to its root", c.Name)
			}
			if c.Resources.Requests.Cpu().IsZero() || c.Resources.Requests.Memory().IsZero() || c.Resources.Limits.Memory().IsZero() {
				t.Errorf("%s does not say what it needs", c.Name)
			}
		}
	})
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
