package proxy_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"doorward/config"
)

// grpcService is gRPC's own service for tests of interoperability, as far as these need it.
type grpcService struct {
	pb.UnimplementedTestServiceServer
	arrived, ended chan struct{} // a call that waits
}

// UnaryCall says the payload again, and tells in header and trailer who is asking. The error that it is asked for is its answer.
func (g *grpcService) UnaryCall(ctx context.Context, in *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	given, _ := metadata.FromIncomingContext(ctx)
	_ = grpc.SendHeader(ctx, metadata.Pairs("x-user", strings.Join(given["x-forwarded-user"], "+")))
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-token", strings.Join(given["authorization"], "+"), "x-data-bin", "\x00\xff"))
	if wanted := in.GetResponseStatus(); wanted != nil {
		return nil, status.Error(codes.Code(wanted.GetCode()), wanted.GetMessage())
	}
	return &pb.SimpleResponse{Payload: in.GetPayload()}, nil
}

// EmptyCall waits until nobody does any more for its answer.
func (g *grpcService) EmptyCall(ctx context.Context, _ *pb.Empty) (*pb.Empty, error) {
	g.arrived <- struct{}{}
	<-ctx.Done()
	g.ended <- struct{}{}
	return nil, ctx.Err()
}

func (g *grpcService) StreamingOutputCall(in *pb.StreamingOutputCallRequest, out grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	for _, p := range in.GetResponseParameters() {
		if err := out.Send(&pb.StreamingOutputCallResponse{Payload: payload(int(p.GetSize()))}); err != nil {
			return err
		}
	}
	return nil
}

func (g *grpcService) StreamingInputCall(in grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	sum := 0
	for {
		message, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		sum += len(message.GetPayload().GetBody())
	}
}

func (g *grpcService) FullDuplexCall(both grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		message, err := both.Recv()
		if errors.Is(err, io.EOF) {
			return status.Error(codes.DataLoss, "that was all")
		}
		if err != nil {
			return err
		}
		if err := both.Send(&pb.StreamingOutputCallResponse{Payload: message.GetPayload()}); err != nil {
			return err
		}
		if wanted := message.GetResponseStatus(); wanted != nil {
			return status.Error(codes.Code(wanted.GetCode()), wanted.GetMessage())
		}
	}
}

func payload(size int) *pb.Payload { return &pb.Payload{Body: make([]byte, size)} }

// newGRPCSite is a site before a gRPC service that people of the group Dev may call.
func newGRPCSite(t *testing.T, further ...func(*config.Config)) (*site, *grpcService) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server, service := grpc.NewServer(), &grpcService{arrived: make(chan struct{}, 1), ended: make(chan struct{}, 1)}
	pb.RegisterTestServiceServer(server, service)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	configure := func(c *config.Config) {
		c.Upstreams += "\n/grpc.testing.TestService/ h2c://" + listener.Addr().String()
		c.AccessRules += "\n/grpc.testing.TestService/ group:Dev"
		for _, configure := range further {
			configure(c)
		}
	}
	return newSite(t, configure), service
}

// grpcClient calls through doorward, with an access token unless it is empty.
func (s *site) grpcClient(t *testing.T, token string) pb.TestServiceClient {
	t.Helper()
	options := []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	if token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearerCredentials(token)))
	}
	_, address, _ := strings.Cut(s.URL, "://")
	conn, err := grpc.NewClient("passthrough:///"+address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return pb.NewTestServiceClient(conn)
}

type bearerCredentials string

func (b bearerCredentials) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

func (b bearerCredentials) RequireTransportSecurity() bool { return false }

func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func TestGRPCUnary(t *testing.T) {
	s, _ := newGRPCSite(t)
	token := s.Provider.APIToken("bob")
	client := s.grpcClient(t, token)
	var header, trailer metadata.MD

	answer, err := client.UnaryCall(soon(t), &pb.SimpleRequest{Payload: payload(300_000)}, grpc.Header(&header), grpc.Trailer(&trailer))

	if err != nil || len(answer.GetPayload().GetBody()) != 300_000 {
		t.Fatalf("the answer has %d bytes, %v", len(answer.GetPayload().GetBody()), err)
	}
	if got := header["x-user"]; len(got) != 1 || got[0] != "bob" {
		t.Errorf("the service is told of user %q", got)
	}
	if got := trailer["x-token"]; len(got) != 1 || got[0] != "Bearer "+token {
		t.Errorf("the service is sent the token %.20q", got)
	}
	if got := trailer["x-data-bin"]; len(got) != 1 || got[0] != "\x00\xff" {
		t.Errorf("the trailer arrived as %q", got)
	}
}

// What a service answers is its own, whatever it is.
func TestGRPCErrors(t *testing.T) {
	s, _ := newGRPCSite(t)
	client := s.grpcClient(t, s.Provider.APIToken("bob"))
	for code := codes.Canceled; code <= codes.Unauthenticated; code++ {
		text := fmt.Sprintf("\t100%% of %v: naïve ☺\r\n", code)
		_, err := client.UnaryCall(soon(t), &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: int32(code), Message: text}})
		if got := status.Convert(err); got.Code() != code || got.Message() != text {
			t.Errorf("%v arrived as %v: %q", code, got.Code(), got.Message())
		}
	}
	if _, err := client.UnimplementedCall(soon(t), &pb.Empty{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("what the service does not know is answered %v", err)
	}
}

// A service may have said all while its client could go on.
func TestGRPCStreamThatTheServiceEnds(t *testing.T) {
	s, _ := newGRPCSite(t)
	both, err := s.grpcClient(t, s.Provider.APIToken("bob")).FullDuplexCall(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := both.Send(&pb.StreamingOutputCallRequest{Payload: payload(10), ResponseStatus: &pb.EchoStatus{Code: int32(codes.PermissionDenied)}}); err != nil {
		t.Fatal(err)
	}
	answer, err := both.Recv()
	if err != nil || len(answer.GetPayload().GetBody()) != 10 {
		t.Fatalf("the answer has %d bytes, %v", len(answer.GetPayload().GetBody()), err)
	}
	if _, err := both.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("the stream ends with %v", err)
	}
}

func TestGRPCStreams(t *testing.T) {
	s, _ := newGRPCSite(t)
	client := s.grpcClient(t, s.Provider.APIToken("bob"))
	t.Run("from the service", func(t *testing.T) {
		sizes := []int{0, 1, 100_000, 7}
		in := &pb.StreamingOutputCallRequest{}
		for _, size := range sizes {
			in.ResponseParameters = append(in.ResponseParameters, &pb.ResponseParameters{Size: int32(size)})
		}
		out, err := client.StreamingOutputCall(soon(t), in)
		for _, size := range sizes {
			var message *pb.StreamingOutputCallResponse
			if err == nil {
				message, err = out.Recv()
			}
			if err != nil || len(message.GetPayload().GetBody()) != size {
				t.Fatalf("a message of %d bytes arrived with %d, %v", size, len(message.GetPayload().GetBody()), err)
			}
		}
		if _, err := out.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("the stream ends with %v", err)
		}
	})
	t.Run("to the service", func(t *testing.T) {
		in, err := client.StreamingInputCall(soon(t))
		for _, size := range []int{1, 100_000, 0, 20} {
			if err == nil {
				err = in.Send(&pb.StreamingInputCallRequest{Payload: payload(size)})
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := in.CloseAndRecv(); err != nil || sum.GetAggregatedPayloadSize() != 100_021 {
			t.Errorf("%d bytes arrived, %v", sum.GetAggregatedPayloadSize(), err)
		}
	})
	t.Run("both ways", func(t *testing.T) {
		both, err := client.FullDuplexCall(soon(t))
		for _, size := range []int{1, 70_000, 3} { // each is answered before the next is sent
			var message *pb.StreamingOutputCallResponse
			if err == nil {
				err = both.Send(&pb.StreamingOutputCallRequest{Payload: payload(size)})
			}
			if err == nil {
				message, err = both.Recv()
			}
			if err != nil || len(message.GetPayload().GetBody()) != size {
				t.Fatalf("a message of %d bytes came back with %d, %v", size, len(message.GetPayload().GetBody()), err)
			}
		}
		_ = both.CloseSend()
		if _, err := both.Recv(); status.Code(err) != codes.DataLoss || status.Convert(err).Message() != "that was all" {
			t.Errorf("the stream ends with %v", err)
		}
	})
}

// A client that gives up is heard of by the service.
func TestGRPCDeadline(t *testing.T) {
	s, service := newGRPCSite(t)
	client := s.grpcClient(t, s.Provider.APIToken("bob"))
	call := func(ctx context.Context, want ...codes.Code) {
		t.Helper()
		if _, err := client.EmptyCall(ctx, &pb.Empty{}); !slices.Contains(want, status.Code(err)) {
			t.Errorf("the call ends with %v, not %v", err, want)
		}
		select {
		case <-service.ended:
		case <-soon(t).Done():
			t.Errorf("the service goes on after %v", want)
		}
	}
	limited, leave := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer leave()
	call(limited, codes.DeadlineExceeded, codes.Unavailable) // the service knows the deadline too, and may be the first to give up
	<-service.arrived
	cancelled, cancel := context.WithCancel(t.Context())
	go func() { <-service.arrived; cancel() }()
	call(cancelled, codes.Canceled)
}

// Who may not call is told so in gRPC's words, and the service hears nothing of it.
func TestGRPCRefusals(t *testing.T) {
	s, _ := newGRPCSite(t)
	for name, c := range map[string]struct {
		token string
		want  codes.Code
	}{
		"no token":         {"", codes.Unauthenticated},
		"bad token":        {"bad", codes.Unauthenticated},
		"not in the group": {s.Provider.APIToken("carol"), codes.PermissionDenied},
	} {
		client := s.grpcClient(t, c.token)
		if _, err := client.UnaryCall(soon(t), &pb.SimpleRequest{}); status.Code(err) != c.want {
			t.Errorf("%s: the call ends with %v", name, err)
		}
	}
}
