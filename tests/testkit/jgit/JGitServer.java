import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.concurrent.Executors;
import org.eclipse.jgit.lib.Repository;
import org.eclipse.jgit.storage.file.FileRepositoryBuilder;
import org.eclipse.jgit.transport.PacketLineOut;
import org.eclipse.jgit.transport.ReceivePack;
import org.eclipse.jgit.transport.RefAdvertiser.PacketLineOutRefAdvertiser;
import org.eclipse.jgit.transport.UploadPack;

/**
 * Serves the bare repositories of a folder by JGit's own protocol code over HTTP, to whoever asks, on loopback. Prints its
 * port, and ends when its standard input does.
 */
final class JGitServer {
    private static final String UPLOAD = "git-upload-pack";
    private static final String RECEIVE = "git-receive-pack";

    private final File root;

    private JGitServer(File root) {
        this.root = root;
    }

    public static void main(String[] arguments) throws IOException {
        JGitServer server = new JGitServer(new File(arguments[0]));
        HttpServer http = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        http.setExecutor(Executors.newCachedThreadPool());
        http.createContext("/", server::answer);
        http.start();
        System.out.println(http.getAddress().getPort());
        while (System.in.read() >= 0) {
            // Nothing is expected but the end.
        }
        System.exit(0);
    }

    private void answer(HttpExchange exchange) throws IOException {
        try (exchange) {
            String path = exchange.getRequestURI().getPath();
            int end = path.indexOf(".git/") + ".git".length();
            File folder = new File(root, path.substring(1, Math.max(end, 1)));
            if (!new File(folder, "HEAD").isFile()) {
                exchange.sendResponseHeaders(404, -1);
                return;
            }
            try (Repository repository = new FileRepositoryBuilder().setGitDir(folder).build()) {
                serve(exchange, repository, path.substring(end + 1));
            }
        } catch (RuntimeException | IOException error) {
            error.printStackTrace();
            throw error;
        }
    }

    private void serve(HttpExchange exchange, Repository repository, String asked) throws IOException {
        String version = exchange.getRequestHeaders().getFirst("Git-Protocol");
        List<String> extra = version == null ? List.of() : List.of(version.split(":"));
        UploadPack upload = new UploadPack(repository);
        upload.setBiDirectionalPipe(false);
        upload.setExtraParameters(extra);
        ReceivePack receive = new ReceivePack(repository);
        receive.setBiDirectionalPipe(false);
        String query = exchange.getRequestURI().getQuery();
        if (asked.equals("info/refs") && ("service=" + UPLOAD).equals(query)) {
            OutputStream out = begin(exchange, UPLOAD, "advertisement");
            upload.sendAdvertisedRefs(new PacketLineOutRefAdvertiser(new PacketLineOut(out)), UPLOAD);
        } else if (asked.equals("info/refs") && ("service=" + RECEIVE).equals(query)) {
            OutputStream out = begin(exchange, RECEIVE, "advertisement");
            PacketLineOut lines = new PacketLineOut(out);
            lines.writeString("# service=" + RECEIVE + "\n");
            lines.end();
            receive.sendAdvertisedRefs(new PacketLineOutRefAdvertiser(lines));
        } else if (asked.equals(UPLOAD)) {
            upload.upload(body(exchange), begin(exchange, UPLOAD, "result"), null);
        } else if (asked.equals(RECEIVE)) {
            receive.receive(body(exchange), begin(exchange, RECEIVE, "result"), null);
        } else {
            exchange.sendResponseHeaders(404, -1);
        }
    }

    /** Returns the whole body: JGit skips what is left, and the JDK's stream would skip beyond its end. */
    private static InputStream body(HttpExchange exchange) throws IOException {
        return new ByteArrayInputStream(exchange.getRequestBody().readAllBytes());
    }

    private static OutputStream begin(HttpExchange exchange, String service, String kind) throws IOException {
        exchange.getResponseHeaders().set("Content-Type", "application/x-" + service + "-" + kind);
        exchange.sendResponseHeaders(200, 0);
        return exchange.getResponseBody();
    }
}
