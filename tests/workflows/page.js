// What is done inside ComfyUI's page. Nodes are known by their ids there; see make.py for what is passed.
(() => {
  const WIDTH = 250
  const WIDTHS = { MarkdownNote: 310, PrimitiveStringMultiline: 310, SaveImage: 300, PreviewImage: 370, AdaptiveReport: 370,
    AdaptiveQualityScore: 340, AdaptiveThresholdGate: 340, AdaptiveTeacherRefine: 350, AdaptiveTeacherRegenerate: 310,
    AdaptiveBestOfN: 350, AdaptiveTune: 330, AdaptiveCalibrateGate: 330, AdaptiveLCMGuidance: 340,
    AdaptiveBudget: 300, AdaptiveStudentSample: 280, AdaptiveCombineEstimators: 330,
  }
  const HEIGHTS = { PrimitiveStringMultiline: 150, CLIPTextEncode: 130, SaveImage: 330, PreviewImage: 440, LoadImage: 340 }
  const LABELS = { text: 'prompt', text_1: 'negative prompt' } // of what is folded
  const LINE = { height: 17, characters: 44, margin: 60 }

  // A text that comes over a link needs no room.
  function textIsLinked(node) {
    return node.inputs.some((input) => input.widget?.name === 'text' && input.link !== null)
  }

  function noteHeight(text) {
    const lines = text.split('\n').map((line) => Math.max(1, Math.ceil(line.length / LINE.characters)))
    return lines.reduce((sum, count) => sum + count * LINE.height, LINE.margin)
  }

  function size(node, own) {
    const [width, height] = node.computeSize()
    const wanted = node.type === 'MarkdownNote' ? noteHeight(node.widgets[0].value) : textIsLinked(node) ? 0 : (HEIGHTS[node.type] ?? 0)
    node.setSize(own ?? [Math.max(width, WIDTHS[node.type] ?? WIDTH), Math.max(height, wanted)])
    return [...node.size]
  }

  function addNotes(graph, notes) {
    for (const [id, text] of Object.entries(notes)) {
      const note = window.LiteGraph.createNode('MarkdownNote')
      note.id = id
      note.title = 'Note'
      graph.add(note)
      note.widgets[0].value = text
    }
  }

  // app.loadApiJson is not used: it gives every graph the same id, and with it the widget values of the one before.
  async function build(graph) {
    const empty = { id: crypto.randomUUID(), version: 0.4, nodes: [], links: [], groups: [], config: {}, extra: {} }
    await window.app.loadGraphData({ ...empty, last_node_id: 0, last_link_id: 0 }, true, true, 'workflow')
    const root = window.app.rootGraph
    for (const [id, { class_type, _meta }] of Object.entries(graph)) {
      const node = window.LiteGraph.createNode(class_type)
      node.id = id
      node.title = _meta?.title ?? node.title
      root.add(node)
    }
    for (const [id, { inputs }] of Object.entries(graph)) fill(root, root.getNodeById(id), inputs)
    return root
  }

  function fill(root, node, inputs) {
    for (const [name, value] of Object.entries(inputs)) {
      if (Array.isArray(value)) {
        const slot = node.inputs.findIndex((input) => input.name === name)
        root.getNodeById(value[0]).connect(value[1], node, slot)
      } else {
        node.widgets.find((widget) => widget.name === name).value = value
      }
    }
  }

  // Build the graph, its seeds fixed but for those `randomized`; the size of every node.
  async function load({ graph, notes, models, randomized, sizes }) {
    const root = await build(graph)
    addNotes(root, notes)
    for (const [id, files] of Object.entries(models)) root.getNodeById(id).properties.models = files
    for (const node of root.nodes) {
      const control = node.widgets?.find((widget) => widget.name === 'control_after_generate')
      if (control) control.value = randomized.includes(String(node.id)) ? 'randomize' : 'fixed'
    }
    return Object.fromEntries(root.nodes.map((node) => [node.id, size(node, sizes[node.id])]))
  }

  // Make these nodes, put where they belong inside, one subgraph node; its id and size.
  function fold({ title, positions }) {
    const root = window.app.rootGraph
    const nodes = Object.entries(positions).map(([id, position]) => {
      root.getNodeById(id).setPos(...position)
      return root.getNodeById(id)
    })
    const { subgraph, node } = root.convertToSubgraph(new Set(nodes))
    subgraph.name = node.title = title
    node.setSize([WIDTH, node.computeSize()[1]])
    for (const input of subgraph.inputs) if (LABELS[input.name]) subgraph.renameInput(input, LABELS[input.name])
    return [String(node.id), [...node.size]]
  }

  // Put nodes and boxes where they belong; the workflow as it is saved, and as it is queued.
  async function place({ positions, boxes }) {
    const root = window.app.rootGraph
    for (const [id, position] of Object.entries(positions)) root.getNodeById(id).setPos(...position)
    for (const { title, color, pos, size } of boxes) {
      const group = new window.LiteGraph.LGraphGroup(title)
      Object.assign(group, { color, pos, size })
      root.add(group)
    }
    return saved()
  }

  async function saved() {
    const { output } = await window.app.graphToPrompt()
    return JSON.parse(JSON.stringify({ ui: window.app.rootGraph.serialize(), api: output }))
  }

  // Make all of it one subgraph node with these inlets and outlets.
  async function enclose({ name, inlets, outlets }) {
    const root = window.app.rootGraph
    const { subgraph, node } = root.convertToSubgraph(new Set([...root.nodes, ...root.groups]))
    const inside = (id) => subgraph.getNodeById(id)
    subgraph.name = node.title = name
    for (const input of [...subgraph.inputs]) subgraph.removeInput(input)
    for (const { name, type, label, feeds } of inlets) {
      const input = subgraph.addInput(name, type)
      for (const [id, slot] of feeds) {
        input.connect(inside(id).inputs.find((one) => one.name === slot), inside(id))
      }
      if (label) subgraph.renameInput(input, label)
    }
    for (const { name, type, source: [id, slot] } of outlets) {
      subgraph.addOutput(name, type).connect(inside(id).outputs[slot], inside(id))
    }
    node.setSize(node.computeSize())
    const { x, y, right } = bounds(subgraph)
    subgraph.inputNode.pos = [x - 220, y]
    subgraph.outputNode.pos = [right + 80, y]
    return saved()
  }

  function bounds(graph) {
    const rects = graph.groups.map(({ pos, size }) => [...pos, ...size])
    return {
      x: Math.min(...rects.map(([x]) => x)),
      y: Math.min(...rects.map(([, y]) => y)),
      right: Math.max(...rects.map(([x, , width]) => x + width)),
    }
  }

  // What any saved workflow becomes when it is opened and queued.
  async function open(ui, name) {
    await window.app.loadGraphData(ui, true, true, name)
    return saved()
  }

  // Link an opened blueprint to nodes that feed it ({inlet: {class_type, inputs, slot}}), set its values, show its images.
  function feed({ sources, values }) {
    const root = window.app.rootGraph
    const [host] = root.nodes
    const made = {}
    for (const [inlet, { class_type, inputs, slot }] of Object.entries(sources)) {
      const key = JSON.stringify([class_type, inputs])
      if (!made[key]) {
        made[key] = window.LiteGraph.createNode(class_type)
        root.add(made[key])
        fill(root, made[key], inputs)
      }
      made[key].connect(slot, host, host.inputs.findIndex((input) => input.name === inlet))
    }
    for (const [name, value] of Object.entries(values)) {
      host.widgets.find((widget) => widget.name === name).value = value
    }
    const preview = window.LiteGraph.createNode('PreviewImage')
    root.add(preview)
    host.connect(0, preview, 0)
  }

  // Queue what is on the page and wait until it has run; how it ended.
  async function run() {
    const { api } = window.comfyAPI.api
    const ended = ['execution_success', 'execution_error'].map(
      (event) => new Promise((resolve) => api.addEventListener(event, () => resolve(event), { once: true })),
    )
    await window.app.queuePrompt(0)
    const refused = Object.keys(window.app.lastNodeErrors ?? {})
    return refused.length ? `nodes ${refused} were refused` : Promise.race(ended)
  }

  // The rectangle of every node as this renderer draws it, title included.
  function rectangles() {
    return window.app.rootGraph.nodes.map((node) => {
      const drawn = document.querySelector(`[data-node-id="${node.id}"]`)?.getBoundingClientRect()
      const [x, y, width, height] = drawn ? [drawn.x, drawn.y, drawn.width, drawn.height] : node.boundingRect
      return { id: String(node.id), title: node.title, x, y, width, height }
    })
  }

  window.workflows = { load, fold, place, enclose, open, feed, run, rectangles }
})()
