import java.time.Instant;
import java.util.List;
import java.util.Set;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.eclipse.milo.opcua.sdk.core.AccessLevel;
import org.eclipse.milo.opcua.sdk.core.Reference;
import org.eclipse.milo.opcua.sdk.server.EndpointConfig;
import org.eclipse.milo.opcua.sdk.server.ManagedNamespaceWithLifecycle;
import org.eclipse.milo.opcua.sdk.server.OpcUaServer;
import org.eclipse.milo.opcua.sdk.server.OpcUaServerConfig;
import org.eclipse.milo.opcua.sdk.server.identity.AnonymousIdentityValidator;
import org.eclipse.milo.opcua.sdk.server.items.DataItem;
import org.eclipse.milo.opcua.sdk.server.items.MonitoredItem;
import org.eclipse.milo.opcua.sdk.server.nodes.UaVariableNode;
import org.eclipse.milo.opcua.sdk.server.util.SubscriptionModel;
import org.eclipse.milo.opcua.stack.core.NodeIds;
import org.eclipse.milo.opcua.stack.core.StatusCodes;
import org.eclipse.milo.opcua.stack.core.security.DefaultCertificateManager;
import org.eclipse.milo.opcua.stack.core.security.MemoryCertificateQuarantine;
import org.eclipse.milo.opcua.stack.core.security.SecurityPolicy;
import org.eclipse.milo.opcua.stack.core.transport.TransportProfile;
import org.eclipse.milo.opcua.stack.core.types.builtin.*;
import org.eclipse.milo.opcua.stack.core.types.builtin.unsigned.Unsigned;
import org.eclipse.milo.opcua.stack.core.types.enumerated.MessageSecurityMode;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransport;
import org.eclipse.milo.opcua.stack.transport.server.tcp.OpcTcpServerTransportConfig;

/**
 * The plant of test/drivers/opcua/plant.ts behind Eclipse Milo. Nothing of this project's code takes part.
 *
 * <p>Usage: MiloPlant PORT. Prints "ready" when it serves; ends by itself after twenty minutes, or when its standard input does.
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

  public static void main(String[] args) throws Exception {
    EndpointConfig endpoint =
        EndpointConfig.newBuilder()
            .setBindAddress("127.0.0.1")
            .setBindPort(Integer.parseInt(args[0]))
            .setHostname("127.0.0.1")
            .setPath("/")
            .setTransportProfile(TransportProfile.TCP_UASC_UABINARY)
            .setSecurityPolicy(SecurityPolicy.None)
            .setSecurityMode(MessageSecurityMode.None)
            .addTokenPolicies(OpcUaServerConfig.USER_TOKEN_POLICY_ANONYMOUS)
            .build();
    OpcUaServerConfig config =
        OpcUaServerConfig.builder()
            .setApplicationName(LocalizedText.english("plant"))
            .setApplicationUri("urn:test:milo")
            .setProductUri("urn:test:milo")
            .setEndpoints(Set.of(endpoint))
            .setIdentityValidator(AnonymousIdentityValidator.INSTANCE)
            .setCertificateManager(new DefaultCertificateManager(new MemoryCertificateQuarantine()))
            .build();
    OpcUaServer server =
        new OpcUaServer(
            config, profile -> new OpcTcpServerTransport(OpcTcpServerTransportConfig.newBuilder().build()));
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
    while (System.in.read() >= 0) {
      // Ends with its standard input.
    }
    System.exit(0);
  }
}
