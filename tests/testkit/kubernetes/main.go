// Command kubernetes is the API server and the controller manager of Kubernetes in one program: what tests run against.
// It is linked with both, so that it is built once. The first argument names the one that is wanted.
package main

import (
	"fmt"
	"os"

	"k8s.io/component-base/cli"
	server "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

func main() {
	which := ""
	if len(os.Args) > 1 {
		which = os.Args[1]
		os.Args = append(os.Args[:1], os.Args[2:]...)
	}
	switch which {
	case "kube-apiserver":
		os.Exit(cli.Run(server.NewAPIServerCommand()))
	case "kube-controller-manager":
		os.Exit(cli.Run(manager.NewControllerManagerCommand()))
	default:
		fmt.Fprintln(os.Stderr, "kube-apiserver or kube-controller-manager, and its arguments")
		os.Exit(64)
	}
}
