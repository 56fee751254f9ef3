import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyPair;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.eclipse.milo.opcua.sdk.core.AccessLevel;
import org.eclipse.milo.opcua.sdk.core.Reference;
import org.eclipse.milo.opcua.sdk.server.EndpointConfig;
import org.eclipse.milo.opcua.sdk.server.ManagedNamespaceWithLifecycle;
import org.eclipse.milo.opcua.sdk.server.OpcUaServer;
import org.eclipse.milo.opcua.sdk.server.OpcUaServerConfig;
import org.eclipse.milo.opcua.sdk.server.identity.AnonymousIdentityValidator;
import org.eclipse.milo.opcua.sdk.server.identity.CompositeValidator;
import org.eclipse.milo.opcua.sdk.server.identity.UsernameIdentityValidator;
import org.eclipse.milo.opcua.sdk.server.identity.X509IdentityValidator;
import org.eclipse.milo.opcua.sdk.server.items.DataItem;
import org.eclipse.milo.opcua.sdk.server.items.MonitoredItem;
import org.eclipse.milo.opcua.sdk.server.nodes.UaVariableNode;
import org.eclipse.milo.opcua.sdk.server.util.SubscriptionModel;
import org.eclipse.milo.opcua.stack.core.NodeIds;
import org.eclipse.milo.opcua.stack.core.StatusCodes;
import org.eclipse.milo.opcua.stack.core.security.CertificateManager;
import org.eclipse.milo.opcua.stack.core.security.CertificateStore;
import org.eclipse.milo.opcua.stack.core.security.CertificateValidator;
import org.eclipse.milo.opcua.stack.core.security.DefaultApplicationGroup;
import org.eclipse.milo.opcua.stack.core.security.DefaultCertificateManager;
import org.eclipse.milo.opcua.stack.core.security.MemoryCertificateQuarantine;
import org.eclipse.milo.opcua.stack.core.security.MemoryCertificateStore;
import org.eclipse.milo.opcua.stack.core.security.MemoryTrustListManager;
import org.eclipse.milo.opcua.stack.core.security.RsaSha256CertificateFactory;
import org.eclipse.milo.opcua.stack.core.security.SecurityPolicy;
import org.eclipse.milo.opcua.stack.core.transport.TransportProfile;
import org.eclipse.milo.opcua.stack.core.types.builtin.*;
import org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned;
import org.eclipse.milo.opcua.stack.core.types.enumerated.MessageSecurityMode;
import org.eclipse.milo.opcua.stack.core.types.enumerated.UserTokenType;
import org.eclipse.milo.opcua.stack.core.types.structured.UserTokenPolicy;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransport;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransportConfig;

/**
 * The plant of test/drivers/opcua/plant.ts behind Eclipse Milo. Nothing of this project's code takes part.
 *
 * <p>Usage: MiloPlant PORT [CERTIFICATE KEY] [-shifted]. Prints "ready" when it serves; ends by itself after twenty minutes, or when its standard input does. A line there
 * changes a value: "NAME JSON", "NAME TYPE JSON" (the node stays the one it was), or lets a node vanish and come back: "NAME delete", "NAME add". With a certificate and its key (PEM) it offers every policy,
 * and every kind of user: "ana" with the password "not-in-any-log", and whoever has a certificate. "-shifted": another namespace stands before the plant's.
 */
public final class MiloPlant extends ManagedNamespaceWithLifecycle {
  private static final long LIFETIME_S = 1200;
  private final SubscriptionModel subscriptions;
  private UaVariableNode ticks;

  private MiloPlant(OpcUaServer server) {
    super(server, "urn:site:plc");
    subscriptions = new SubscriptionModel(server, this);
    getLifecycleManager().addLifecycle(subscriptions);
    getLifecycleManager().addStartupTask(this::fill);
  }

  private void fill() {
    add("T.Boolean", NodeIds.Boolean, true);
    add("T.SByte", NodeIds.SByte, (byte) -7);
    add("T.Byte", NodeIds.Byte, Unsigned.ubyte(200));
    add("T.Int16", NodeIds.Int16, (short) -1234);
    add("T.UInt16", NodeIds.UInt16, Unsigned.ushort(65535));
    add("T.Int32", NodeIds.Int32, Integer.MIN_VALUE);
    add("T.UInt32", NodeIds.UInt32, Unsigned.uint(4294967295L));
    add("T.Int64", NodeIds.Int64, -(1L << 60) - 1);
    add("T.UInt64", NodeIds.UInt64, Unsigned.ulong(-1L));
    add("T.Float", NodeIds.Float, 230.4f);
    add("T.Double", NodeIds.Double, 0.1);
    add("T.String", NodeIds.String, "Pump 1");
    add("T.DateTime", NodeIds.DateTime, new DateTime(Instant.parse("2026-01-02T03:04:05.678Z")));
    add("T.Guid", NodeIds.Guid, UUID.fromString("09087e75-8e5e-499b-954f-f2a9603db28a"));
    add("T.ByteString", NodeIds.ByteString, ByteString.of(new byte[] {(byte) 0xde, (byte) 0xad, (byte) 0xbe, (byte) 0xef}));
    add("T.LocalizedText", NodeIds.LocalizedText, new LocalizedText("de", "Pumpe"));
    add("T.QualifiedName", NodeIds.QualifiedName, new QualifiedName(1, "Pump"));
    add("T.NodeId", NodeIds.NodeId, NodeIds.ObjectsFolder);
    add("T.StatusCode", NodeIds.StatusCode, new StatusCode(StatusCodes.Bad_Shutdown));
    add("T.NaN", NodeIds.Double, Double.NaN);
    add("A.Int32", NodeIds.Int32, new Integer[] {1, 2, 3});
    add("A.String", NodeIds.String, new String[] {"a", "b"});
    add("S.Bad", NodeIds.Double, held(5.0, StatusCodes.Bad_SensorFailure, DateTime.now()));
    add("S.Uncertain", NodeIds.Double, held(6.5, StatusCodes.Uncertain_LastUsableValue, DateTime.now()));
    add("S.Old", NodeIds.Double, held(7.0, 0, new DateTime(Instant.now().minusSeconds(30 * 86_400))));
    add("Level", NodeIds.Double, 1.5);
    ticks = add("Ticks", NodeIds.UInt32, Unsigned.uint(0));
  }

  private static DataValue held(Object value, long status, DateTime source) {
    return new DataValue(new Variant(value), new StatusCode(status), source, DateTime.now());
  }

  private UaVariableNode add(String name, NodeId type, Object value) {
    DataValue held = value instanceof DataValue given ? given : held(value, 0, DateTime.now());
    UaVariableNode node =
        new UaVariableNode.UaVariableNodeBuilder(getNodeContext())
            .setNodeId(newNodeId(name))
            .setBrowseName(newQualifiedName(name))
            .setDisplayName(LocalizedText.english(name))
            .setDataType(type)
            .setTypeDefinition(NodeIds.BaseDataVariableType)
            .setAccessLevel(AccessLevel.READ_ONLY)
            .setUserAccessLevel(AccessLevel.READ_ONLY)
            .setValueRank(held.getValue().getValue().getClass().isArray() ? 1 : -1)
            .setValue(held)
            .setMinimumSamplingInterval(10.0)
            .build();
    getNodeManager().addNode(node);
    node.addReference(
        new Reference(node.getNodeId(), NodeIds.Organizes, NodeIds.ObjectsFolder.expanded(), false));
    return node;
  }

  @Override
  public void onDataItemsCreated(List<DataItem> items) {
    subscriptions.onDataItemsCreated(items);
  }

  @Override
  public void onDataItemsModified(List<DataItem> items) {
    subscriptions.onDataItemsModified(items);
  }

  @Override
  public void onDataItemsDeleted(List<DataItem> items) {
    subscriptions.onDataItemsDeleted(items);
  }

  @Override
  public void onMonitoringModeChanged(List<MonitoredItem> items) {
    subscriptions.onMonitoringModeChanged(items);
  }

  private void obey(String line) {
    String[] words = line.split(" ", 3);
    NodeId id = newNodeId(words[0]);
    if (words[1].equals("delete")) getNodeManager().getNode(id).ifPresent(node -> node.delete());
    else if (words[1].equals("add")) add(words[0], NodeIds.Double, 1.5);
    else {
      Object value =
          switch (words.length == 2 ? "Double" : words[1]) {
            case "String" -> words[2].substring(1, words[2].length() - 1);
            case "Int32" -> Integer.valueOf(words[2]);
            default -> Double.valueOf(words[words.length - 1]);
          };
      getNodeManager().getNode(id).map(UaVariableNode.class::cast).ifPresent(node -> node.setValue(held(value, 0, DateTime.now())));
    }
  }

  private static EndpointConfig.Builder endpointAt(int port, SecurityPolicy policy, MessageSecurityMode mode) {
    return EndpointConfig.newBuilder()
        .setBindAddress("127.0.0.1")
        .setBindPort(port)
        .setHostname("127.0.0.1")
        .setPath("/")
        .setTransportProfile(TransportProfile.TCP_UASC_UABINARY)
        .setSecurityPolicy(policy)
        .setSecurityMode(mode)
        .addTokenPolicies(OpcUaServerConfig.USER_TOKEN_POLICY_ANONYMOUS);
  }

  private static X509Certificate certificateIn(String file) throws Exception {
    byte[] pem = Files.readAllBytes(Path.of(file));
    return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(new ByteArrayInputStream(pem));
  }

  private static PrivateKey keyIn(String file) throws Exception {
    String base64 = Files.readString(Path.of(file)).replaceAll("-----[^-]+-----|\\s", "");
    return KeyFactory.getInstance("RSA").generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64)));
  }

  /** One certificate, and every client is welcome. */
  private static CertificateManager managerOf(X509Certificate certificate, PrivateKey key) throws Exception {
    MemoryCertificateStore store = new MemoryCertificateStore();
    X509Certificate[] chain = {certificate};
    store.set(NodeIds.RsaSha256ApplicationCertificateType, new CertificateStore.Entry(key, chain));
    RsaSha256CertificateFactory none =
        new RsaSha256CertificateFactory() {
          @Override
          protected X509Certificate[] createRsaSha256CertificateChain(KeyPair pair) {
            return chain;
          }
        };
    return new DefaultCertificateManager(
        new MemoryCertificateQuarantine(),
        DefaultApplicationGroup.createAndInitialize(
            new MemoryTrustListManager(), store, none, new CertificateValidator.InsecureCertificateValidator()));
  }

  public static void main(String[] args) throws Exception {
    int port = Integer.parseInt(args[0]);
    boolean isSecured = args.length > 2;
    Set<EndpointConfig> endpoints = new HashSet<>();
    EndpointConfig.Builder plain = endpointAt(port, SecurityPolicy.None, MessageSecurityMode.None);
    CertificateManager manager = new DefaultCertificateManager(new MemoryCertificateQuarantine());
    if (isSecured) {
      // Java itself has no OAEP with SHA-256 by the name that Aes256_Sha256_RsaPss wants.
      Security.addProvider(new BouncyCastleProvider());
      X509Certificate certificate = certificateIn(args[1]);
      manager = managerOf(certificate, keyIn(args[2]));
      plain.setCertificate(certificate).addTokenPolicies(OpcUaServerConfig.USER_TOKEN_POLICY_USERNAME, OpcUaServerConfig.USER_TOKEN_POLICY_X509);
      for (SecurityPolicy policy :
          List.of(SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss))
        for (MessageSecurityMode mode : List.of(MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt))
          endpoints.add(
              endpointAt(port, policy, mode)
                  .setCertificate(certificate)
                  .addTokenPolicies(OpcUaServerConfig.USER_TOKEN_POLICY_USERNAME, OpcUaServerConfig.USER_TOKEN_POLICY_X509)
                  .build());
    }
    // Subscriptions are handed on to those only who say who they are.
    else plain.addTokenPolicies(new UserTokenPolicy("reader", UserTokenType.UserName, null, null, SecurityPolicy.None.getUri()));
    endpoints.add(plain.build());
    OpcUaServerConfig config =
        OpcUaServerConfig.builder()
            .setApplicationName(LocalizedText.english("plant"))
            .setApplicationUri(isSecured ? "urn:plc" : "urn:test:milo")
            .setProductUri("urn:test:milo")
            .setEndpoints(endpoints)
            .setIdentityValidator(
                new CompositeValidator(
                    AnonymousIdentityValidator.INSTANCE,
                    new UsernameIdentityValidator(
                        said ->
                            said.getUsername().equals("ana") && said.getPassword().equals("not-in-any-log")
                                || !isSecured && said.getUsername().equals("reader")),
                    new X509IdentityValidator(certificate -> true)))
            .setCertificateManager(manager)
            .build();
    OpcUaServer server =
        new OpcUaServer(
            config, profile -> new OpcTcpServerTransport(OpcTcpServerTransportConfig.newBuilder().build()));
    if (Arrays.asList(args).contains("-shifted")) server.getNamespaceTable().add("urn:site:other");
    MiloPlant plant = new MiloPlant(server);
    plant.startup();
    server.startup().get();
    AtomicLong count = new AtomicLong();
    var timer = Executors.newSingleThreadScheduledExecutor();
    timer.scheduleAtFixedRate(
        () -> plant.ticks.setValue(held(Unsigned.uint(count.incrementAndGet()), 0, DateTime.now())),
        100, 100, TimeUnit.MILLISECONDS);
    timer.schedule(() -> System.exit(0), LIFETIME_S, TimeUnit.SECONDS);
    System.out.println("ready");
    BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
    for (String line = lines.readLine(); line != null; line = lines.readLine()) plant.obey(line);
    System.exit(0);
  }
}
