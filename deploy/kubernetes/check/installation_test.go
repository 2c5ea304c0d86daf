// Package check tests what kustomize makes of the folders beside it. It is a module of its own, so that doorward does without
// Kubernetes' modules, and asks doorward about its settings by running it.
package check

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/util/yaml"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
)

// installation is what kustomize makes of a folder, object by object.
type installation struct {
	objects []runtime.Object
}

// each runs a test on every folder with doorward in it.
func each(t *testing.T, test func(t *testing.T, i *installation)) {
	t.Helper()
	for _, folder := range []string{"base", "proxy", "ingress", "gateway-api", "ingress-nginx", "sidecar", "example"} {
		t.Run(folder, func(t *testing.T) { test(t, render(t, folder)) })
	}
}

// render does what `kubectl kustomize` does, and reads every object as the API server does: unknown and doubled fields are errors.
func render(t *testing.T, folder string) *installation {
	t.Helper()
	resources, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), filepath.Join("..", folder))
	if err != nil {
		t.Fatal(err)
	}
	text, err := resources.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return &installation{decode(t, text)}
}

func decode(t *testing.T, text []byte) (objects []runtime.Object) {
	t.Helper()
	decoder := serializer.NewCodecFactory(types(t), serializer.EnableStrict).UniversalDeserializer()
	documents := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(document, nil, nil)
		if err != nil {
			t.Fatalf("%v in\n%s", err, document)
		}
		objects = append(objects, object)
	}
}

// types are those that the folders use.
func types(t *testing.T) *runtime.Scheme {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		appsv1.AddToScheme, corev1.AddToScheme, networkingv1.AddToScheme, policyv1.AddToScheme, gatewayv1.Install, monitoringv1.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return scheme
}

// of is every object of a type.
func of[T runtime.Object](i *installation) (all []T) {
	for _, object := range i.objects {
		if o, ok := object.(T); ok {
			all = append(all, o)
		}
	}
	return all
}

// the is the only object of a type.
func the[T runtime.Object](t *testing.T, i *installation) T {
	t.Helper()
	all := of[T](i)
	if len(all) != 1 {
		t.Fatalf("there are %d objects of type %T", len(all), *new(T))
	}
	return all[0]
}

// pod is what the Deployment makes pods of.
func (i *installation) pod(t *testing.T) *corev1.PodTemplateSpec {
	t.Helper()
	return &the[*appsv1.Deployment](t, i).Spec.Template
}

// doorward is its container.
func (i *installation) doorward(t *testing.T) *corev1.Container {
	t.Helper()
	pod := i.pod(t)
	for n, c := range pod.Spec.Containers {
		if c.Name == "doorward" {
			return &pod.Spec.Containers[n]
		}
	}
	t.Fatal("there is no container doorward")
	return nil
}

func TestFieldsThatKubernetesDoesNotKnowAreErrors(t *testing.T) {
	decoder := serializer.NewCodecFactory(types(t), serializer.EnableStrict).UniversalDeserializer()
	for _, text := range []string{
		"apiVersion: v1\nkind: Service\nspec: {port: 1}\n",
		"apiVersion: v1\nkind: Service\nspec: {}\nspec: {}\n",
		"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nspec: {hostname: app.example.com}\n",
		"apiVersion: v2\nkind: Service\n",
	} {
		if _, _, err := decoder.Decode([]byte(text), nil, nil); err == nil {
			t.Errorf("accepted:\n%s", text)
		}
	}
}
