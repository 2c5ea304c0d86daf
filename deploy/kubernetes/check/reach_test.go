package check

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
)

// Whatever selects doorward's pods finds them.
func TestSelectorsFindThePods(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		deployment := the[*appsv1.Deployment](t, i)
		selectors := map[string]*metav1.LabelSelector{
			"the Deployment":        deployment.Spec.Selector,
			"the Service":           {MatchLabels: the[*corev1.Service](t, i).Spec.Selector},
			"the disruption budget": the[*policyv1.PodDisruptionBudget](t, i).Spec.Selector,
			"the network policy":    &i.policy(t, "doorward").Spec.PodSelector,
		}
		for _, spread := range deployment.Spec.Template.Spec.TopologySpreadConstraints {
			selectors["the spread over "+spread.TopologyKey] = spread.LabelSelector
		}
		for _, monitor := range append(of[*monitoringv1.PodMonitor](i), the[*monitoringv1.PodMonitor](t, render(t, "podmonitor"))) {
			selectors["the PodMonitor"] = &monitor.Spec.Selector
		}
		for who, selector := range selectors {
			finds(t, who, selector, deployment.Spec.Template.Labels)
		}
	})
}

func finds(t *testing.T, who string, of *metav1.LabelSelector, pod map[string]string) {
	t.Helper()
	selector, err := metav1.LabelSelectorAsSelector(of)
	if err != nil || selector.Empty() || !selector.Matches(labels.Set(pod)) {
		t.Errorf("%s selects %v (%v), and the pods are %v", who, selector, err, pod)
	}
}

// policy is the network policy of that name.
func (i *installation) policy(t *testing.T, name string) *networkingv1.NetworkPolicy {
	t.Helper()
	for _, policy := range of[*networkingv1.NetworkPolicy](i) {
		if policy.Name == name {
			return policy
		}
	}
	t.Fatalf("there is no network policy %s", name)
	return nil
}

// port is the number of a port of doorward's container; 0 where there is none.
func (i *installation) port(t *testing.T, port intstr.IntOrString) int32 {
	t.Helper()
	for _, p := range i.doorward(t).Ports {
		if p.Name == port.StrVal || p.ContainerPort == port.IntVal {
			return p.ContainerPort
		}
	}
	return 0
}

// Whatever names a port of doorward's means one on which it listens.
func TestPortsAreThoseThatDoorwardListensOn(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		public, metrics := intstr.FromString("http"), intstr.FromString("metrics")
		known := knownSettings(t)
		for setting, port := range map[string]intstr.IntOrString{"DOORWARD_LISTEN_ADDR": public, "DOORWARD_METRICS_ADDR": metrics} {
			if want := ":" + strconv.Itoa(int(i.port(t, port))); known[setting].fallback != want || i.settings(t)[setting] != "" {
				t.Errorf("%s is %q, and the container says %q", setting, known[setting].fallback, want)
			}
		}
		if target := the[*corev1.Service](t, i).Spec.Ports[0].TargetPort; i.port(t, target) != i.port(t, public) {
			t.Errorf("the Service leads to %v", target)
		}
		for _, rule := range i.policy(t, "doorward").Spec.Ingress {
			for _, p := range rule.Ports {
				if i.port(t, *p.Port) == 0 || len(rule.From) == 0 {
					t.Errorf("the network policy opens %v to %v", p.Port, rule.From)
				}
			}
		}
		for _, monitor := range append(of[*monitoringv1.PodMonitor](i), the[*monitoringv1.PodMonitor](t, render(t, "podmonitor"))) {
			if job := the[*appsv1.Deployment](t, i).Spec.Template.Labels[monitor.Spec.JobLabel]; job != "doorward" {
				t.Errorf("the job is %q, and the alerts look for doorward", job)
			}
			if endpoint := monitor.Spec.PodMetricsEndpoints[0]; endpoint.Port == nil || *endpoint.Port != "metrics" {
				t.Error("the PodMonitor asks another port")
			}
		}
	})
}

// Whatever is in front leads to the port of the Service.
func TestWhatIsInFrontLeadsToTheService(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		service := the[*corev1.Service](t, i)
		for _, ingress := range of[*networkingv1.Ingress](i) {
			for _, rule := range ingress.Spec.Rules {
				for _, path := range rule.HTTP.Paths {
					to := path.Backend.Service
					if to.Name == service.Name && to.Port.Number != service.Spec.Ports[0].Port && to.Port.Name != service.Spec.Ports[0].Name {
						t.Errorf("%s%s leads to port %v", rule.Host, path.Path, to.Port)
					}
				}
			}
		}
		for _, route := range of[*gatewayv1.HTTPRoute](i) {
			to := route.Spec.Rules[0].BackendRefs[0]
			if string(to.Name) != service.Name || to.Port == nil || *to.Port != service.Spec.Ports[0].Port {
				t.Errorf("the route leads to %v", to.BackendObjectReference)
			}
		}
	})
}

// hosts are those that are led to doorward.
func (i *installation) hosts() (all []string) {
	for _, ingress := range of[*networkingv1.Ingress](i) {
		for _, rule := range ingress.Spec.Rules {
			all = append(all, rule.Host)
		}
	}
	for _, route := range of[*gatewayv1.HTTPRoute](i) {
		for _, host := range route.Spec.Hostnames {
			all = append(all, string(host))
		}
	}
	return slices.Compact(all)
}

func TestHostsAreThoseOfPublicURL(t *testing.T) {
	each(t, func(t *testing.T, i *installation) {
		for _, host := range i.hosts() {
			if public := i.settings(t)["DOORWARD_PUBLIC_URL"]; public != "https://"+host {
				t.Errorf("requests for %s are led to a doorward at %s", host, public)
			}
		}
	})
}

// The application believes what it is told of people, so it is told by doorward alone, or by the server that asks doorward.
func TestNobodyElseReachesTheApplication(t *testing.T) {
	for folder, may := range map[string]networkingv1.NetworkPolicyPeer{
		"proxy":         {PodSelector: selecting("app.kubernetes.io/name", "doorward")},
		"ingress":       {PodSelector: selecting("app.kubernetes.io/name", "doorward")},
		"gateway-api":   {PodSelector: selecting("app.kubernetes.io/name", "doorward")},
		"example":       {PodSelector: selecting("app.kubernetes.io/name", "doorward")},
		"ingress-nginx": {NamespaceSelector: selecting("kubernetes.io/metadata.name", "ingress")},
	} {
		t.Run(folder, func(t *testing.T) {
			policy := render(t, folder).policy(t, "application")
			if rules := policy.Spec.Ingress; len(rules) != 1 || !reflect.DeepEqual(rules[0].From, []networkingv1.NetworkPolicyPeer{may}) {
				t.Errorf("these reach the application: %v", rules)
			}
		})
	}
}

func selecting(label, value string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{label: value}}
}

// In one pod it listens on loopback, and no port of it is open.
func TestApplicationBesideDoorwardIsOnLoopback(t *testing.T) {
	i := render(t, "sidecar")
	for _, c := range i.pod(t).Spec.Containers {
		if c.Name != "doorward" && len(c.Ports) > 0 {
			t.Errorf("%s has ports: %v", c.Name, c.Ports)
		}
	}
	if upstream := i.settings(t)["DOORWARD_UPSTREAMS"]; !strings.HasPrefix(upstream, "http://127.0.0.1:") {
		t.Errorf("the upstream is %s", upstream)
	}
}
